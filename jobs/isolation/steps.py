"""A child process that does named steps, each within limits of processor time, of time and of memory.

The child runs a module that calls `frames.answer_steps`. Not thread-safe: one request at a time.
"""

import pickle
import signal
from collections.abc import Sequence

from jobs.isolation.frames import MEMORY, VALUE
from jobs.isolation.process import ChildFailed, ChildProcess
from storage.errors import BackupError

#: Seconds that a step may take for each second of processor time that it may use, before it is looked at: a child that
#: sleeps then hangs.
_PATIENCE = 6.0
#: Seconds that a step may take that the machine does not let run, or that somebody suspended. Its message did nothing
#: wrong: nothing is recorded, and the step is to be repeated.
LONGEST_S = 900.0
#: Seconds in which the child starts and takes what `begin` gives.
_START_S = 60.0
_MOST_ANSWER_BYTES = 1 << 30
#: How a process ends whose C or Rust code gets no memory.
_OUT_OF_MEMORY = (-signal.SIGABRT, -signal.SIGKILL)

#: Why a step was stopped, or failed: too much time, too much memory, the process crashed, or the step raised.
TIMEOUT, OUT_OF_MEMORY, CRASHED, FAILED = "timeout", "memory", "crashed", "failed"


class IsolationFailed(BackupError):
    """The child process does not start, or gets no processor time. Retry later."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The process that reads suspect mail does not work ({self.reason}): retry when the machine has room."


class Stopped(Exception):
    """A step exceeded a limit, crashed the child, or raised. code: one of the above. reason: of what was raised."""

    def __init__(self, code: str, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class StepProcess:
    """Owns the child; starts it with the first step, and again after it was ended."""

    def __init__(
        self, module: str, arguments: Sequence[str], beginning: object = None, longest_s: float = LONGEST_S
    ) -> None:
        """`beginning`: pickled, the argument of the step `begin`, which a new child does first.

        longest_s: seconds that a step waits for a processor.
        """
        self._beginning, self._child = beginning, ChildProcess(module, arguments)
        self._longest_s = longest_s

    @property
    def running(self) -> bool:
        """Whether the child was started and not ended since."""
        return self._child.running

    def begin(self) -> None:
        """Start the child if it does not run.

        Raises:
            IsolationFailed.
        """
        if self.running:
            return
        try:
            answer = self._exchange("begin", self._beginning, _START_S)
        except (Stopped, OSError) as exc:
            raise IsolationFailed(str(exc)) from exc
        if answer[:1] != VALUE:
            self._child.close()
            raise IsolationFailed(answer[1:].decode("utf-8", "replace") or OUT_OF_MEMORY)

    def ask(self, step: str, argument: object, cpu_s: float) -> bytes:
        """A step's result.

        Raises:
            Stopped, IsolationFailed.
        """
        self.begin()
        answer = self._exchange(step, argument, cpu_s)
        if answer[:1] == VALUE:
            return answer[1:]
        if answer[:1] == MEMORY:
            self._child.close()
            raise Stopped(OUT_OF_MEMORY)
        raise Stopped(FAILED, answer[1:].decode("utf-8", "replace"))

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def _exchange(self, step: str, argument: object, cpu_s: float) -> bytes:
        timeout_s = _PATIENCE * cpu_s
        longest_s = max(timeout_s, self._longest_s)
        content = pickle.dumps((step, cpu_s, longest_s, argument), pickle.HIGHEST_PROTOCOL)
        try:
            return self._child.exchange(content, timeout_s, _MOST_ANSWER_BYTES, longest_s)
        except ChildFailed as failed:
            if failed.code == "timed-out" or failed.status == -signal.SIGPROF:
                raise Stopped(TIMEOUT) from failed
            if failed.code == "starved" or failed.status == -signal.SIGALRM:
                raise IsolationFailed(f"it got too little processor time in {longest_s:.0f} s") from failed
            raise Stopped(OUT_OF_MEMORY if failed.status in _OUT_OF_MEMORY else CRASHED) from failed

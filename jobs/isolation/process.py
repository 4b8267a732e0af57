"""Starts a child process, asks it with a deadline, and ends it: at the deadline, or when its answer is malformed.

The child runs one of our modules (`python -m MODULE REQUESTS ANSWERS ...`, frames.py), with no secrets in its
environment. Not thread-safe: one request at a time.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.isolation.frames import LENGTH

#: The environment variables that a child inherits: the others may contain passwords.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
#: Seconds that a child that closed its pipes takes to end.
_END_S = 5.0
#: How often, and at which distance in seconds, a child that is late must be seen asleep before it counts as hanging.
_LOOKS, _LOOK_S = 10, 0.05
#: Seconds between two such judgements.
_JUDGED_EVERY_S = 1.0


class ChildFailed(Exception):
    """The child did not answer; it was ended. status: its exit status.

    code: timed-out (it waited for something else than the processor), starved (the machine did not let it run, or
    somebody suspended it), crashed or bad-answer.
    """

    def __init__(self, code: str, status: int | None = None) -> None:
        super().__init__(code, status)
        self.code, self.status = code, status


class ChildProcess:
    """One child, started on the first request and again after it ended."""

    def __init__(self, module: str, arguments: Sequence[str] = ()) -> None:
        self._module, self._arguments = module, list(arguments)
        self._child: subprocess.Popen[bytes] | None = None
        self._requests = self._answers = -1

    @property
    def running(self) -> bool:
        """Whether the child was started and did not fail since."""
        return self._child is not None

    def exchange(self, content: bytes, timeout_s: float, most_bytes: int, longest_s: float = 0.0) -> bytes:
        """The child's answer.

        Args:
            timeout_s: after which a child that hangs is ended; longest_s: after which any child is, if that is longer.
            most_bytes: of an answer; a longer one is malformed.

        Raises:
            ChildFailed: the next request starts another child.
            OSError: it cannot be started.
        """
        if self._child is None:
            self._start()
        began = time.monotonic()
        deadline = _Deadline(began + timeout_s, began + max(longest_s, timeout_s))
        try:
            self._send(LENGTH.pack(len(content)) + content, deadline)
            (size,) = LENGTH.unpack(self._receive(LENGTH.size, deadline))
            if not 1 <= size <= most_bytes:
                raise ChildFailed("bad-answer")
            return self._receive(size, deadline)
        except ChildFailed as failed:  # the child is dead, or its output is out of step
            status = self.close(_END_S if failed.code == "crashed" else 0.0)
            raise ChildFailed(failed.code, status) from failed
        except OSError as error:
            raise ChildFailed("crashed", self.close(_END_S)) from error

    def close(self, patience_s: float = 0.0) -> int | None:
        """End the child; return its exit status. patience_s: seconds in which it may end by itself."""
        child, self._child = self._child, None
        if child is None:
            return None
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)  # the child is a session leader: its own children end as well
        os.close(self._requests)
        os.close(self._answers)
        return child.wait()

    def _start(self) -> None:
        request_source, self._requests = os.pipe()
        self._answers, answer_sink = os.pipe()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment |= {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OMP_NUM_THREADS": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",  # the other pools reserve address space, which is limited
        }
        command = [sys.executable, "-B", "-m", self._module, str(request_source), str(answer_sink)]
        try:
            self._child = subprocess.Popen(
                [*command, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(request_source, answer_sink),
                env=environment,
                start_new_session=True,
            )
        except OSError:
            os.close(self._requests)
            os.close(self._answers)
            raise
        finally:
            os.close(request_source)
            os.close(answer_sink)
        os.set_blocking(self._requests, False)
        os.set_blocking(self._answers, False)

    def _send(self, content: bytes, deadline: "_Deadline") -> None:
        view = memoryview(content)
        while view:
            self._wait(self._requests, select.POLLOUT, deadline)
            view = view[os.write(self._requests, view) :]

    def _receive(self, size: int, deadline: "_Deadline") -> bytes:
        content = bytearray()
        while len(content) < size:
            self._wait(self._answers, select.POLLIN, deadline)
            piece = os.read(self._answers, size - len(content))
            if not piece:
                raise ChildFailed("crashed")
            content += piece
        return bytes(content)

    def _wait(self, descriptor: int, event: int, deadline: "_Deadline") -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while not poll.poll(max(deadline.at - time.monotonic(), 0) * 1000):
            assert self._child is not None
            hangs = _is_asleep(self._child.pid)
            if poll.poll(0):
                return
            if hangs or time.monotonic() >= deadline.last:
                raise ChildFailed("timed-out" if hangs else "starved")
            deadline.at = min(time.monotonic() + _JUDGED_EVERY_S, deadline.last)


@dataclass(slots=True)
class _Deadline:
    """When the child is judged next, and when it is ended whatever it does (by time.monotonic)."""

    at: float
    last: float


def _is_asleep(pid: int) -> bool:
    """Whether a process waits for something else than a processor, its disk, or whoever suspended it."""
    spent = set()
    for _ in range(_LOOKS):
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:  # no such system
            return True
        state, *fields = status[status.rindex(")") + 2 :].split()
        spent.add((fields[10], fields[11]))  # clock ticks of user and system time
        if state != "S" or len(spent) > 1:
            return False
        time.sleep(_LOOK_S)
    return True

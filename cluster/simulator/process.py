"""A simulator in a separate process, for demonstrations and benchmarks."""

import ctypes
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from storage.errors import BackupError

_READY_S = 120.0
_POLL_S = 0.05


class SimulatorFailed(BackupError):
    """The simulated Gmail did not start. Its error message has the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SimulatorProcess:
    """A running simulator; as a context it gives its URL and ends the process."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process, self.url = process, url

    def __enter__(self) -> str:
        return self.url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.communicate()


def start_simulator(arguments: Sequence[str]) -> SimulatorProcess:
    """Start `python -m cluster.simulator ARGUMENTS` on a free port. The terminal's Ctrl-C does not reach it.

    Raises:
        SimulatorFailed: with the simulator's own sentence.
    """
    with tempfile.TemporaryDirectory(prefix="gbm-simulator-") as folder:
        ready = Path(folder) / "ready.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.simulator", "--port=0", f"--ready-file={ready}", *arguments],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # no thread has started yet
            text=True,
        )
        try:
            deadline = time.monotonic() + _READY_S
            while not ready.exists():
                if process.poll() is not None:
                    assert process.stderr is not None
                    raise SimulatorFailed(process.stderr.read().strip() or "It ended without an error: try again.")
                if time.monotonic() > deadline:
                    raise SimulatorFailed(f"The simulated Gmail was not ready within {_READY_S:.0f} s: try again.")
                time.sleep(_POLL_S)
            return SimulatorProcess(process, json.loads(ready.read_text())["url"])
        except BaseException:
            process.kill()
            process.communicate()
            raise


def _end_with_parent() -> None:
    """On Linux the kernel ends the simulator when its parent is killed; elsewhere it stays until it is found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG

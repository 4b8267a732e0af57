"""Being told to stop: Ctrl-C and SIGTERM alike unwind the stack, so that everything that was started is stopped.

Libraries swallow KeyboardInterrupt here and there (Ray Serve while it deploys does), so a request to stop is also
remembered, and asked for between the steps of a start.
"""

import signal
import threading
from types import FrameType

_asked = threading.Event()


def watch_signals() -> None:
    """Have SIGINT and SIGTERM raise KeyboardInterrupt, once, and be remembered. Main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def check_stop() -> None:
    """Raise KeyboardInterrupt if this process was asked to stop."""
    if _asked.is_set():
        raise KeyboardInterrupt


def wait_for_stop() -> None:
    """Return when this process is asked to stop."""
    try:
        _asked.wait()
    except KeyboardInterrupt:
        return


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is Python's
    if _asked.is_set():
        return  # everything is being stopped: a second Ctrl-C must not cut that short
    _asked.set()
    raise KeyboardInterrupt

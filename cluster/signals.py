"""Stop requests: Ctrl-C and SIGTERM both unwind the stack, so that everything that was started is stopped.

Some libraries swallow KeyboardInterrupt (such as Ray Serve during a deployment), so a stop request is also stored, and
checked between the steps of a start.
"""

import signal
import threading
from types import FrameType

_stop_requested = threading.Event()


def watch_signals() -> None:
    """Make SIGINT and SIGTERM raise KeyboardInterrupt once, and store the request. Main thread only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def check_stop() -> None:
    """Raise KeyboardInterrupt if a stop was requested."""
    if _stop_requested.is_set():
        raise KeyboardInterrupt


def wait_for_stop() -> None:
    """Wait for a stop request."""
    try:
        _stop_requested.wait()
    except KeyboardInterrupt:
        return


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is Python's
    if _stop_requested.is_set():
        return  # a second Ctrl-C must not interrupt the shutdown
    _stop_requested.set()
    raise KeyboardInterrupt

"""Being told to stop: Ctrl-C and SIGTERM alike unwind the stack, so that everything that was started is stopped."""

import signal
import threading


def stop_on_sigterm() -> None:
    """Have SIGTERM do what Ctrl-C does. Main thread only."""

    signal.signal(signal.SIGTERM, signal.default_int_handler)


def wait_for_stop() -> None:
    """Return when this process is asked to stop."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what was started is being stopped: a second Ctrl-C changes nothing

"""Reads single messages in child processes, so that a message that hangs, crashes or exhausts memory costs its request.

Threads of a gateway ask it; a child serves one at a time and stays for the next. A child has no files, no network and
no secrets, where the kernel can refuse them (storage/sql_sandbox/wall.py).

Measured 2026-11 on one of two busy cores, messages of 2.5 KB: a child adds 0.2 ms to the reading of a message and
0.1 ms to a page; it starts in 0.6 s and takes 45 MB.
"""

import atexit
import logging
import pickle
import threading
from functools import cache
from types import NoneType
from typing import Any

from jobs.isolation.config import ReadLimits
from jobs.isolation.results import result
from jobs.isolation.steps import CRASHED, OUT_OF_MEMORY, IsolationFailed, StepProcess, Stopped
from jobs.mime.message import AttachmentContent
from storage.mailbox.message import ReadingStopped
from storage.model.results import Body

_LOG = logging.getLogger(__name__)
#: Seconds that a request waits for a child: then it fails, instead of keeping a thread from requests that need none.
_WAIT_S = 3.0
#: The module that a child runs.
CHILD = "jobs.isolation.reading_child"


class IsolatedReading:
    """Owns the children. Thread-safe.

    Every method raises ReadingStopped for a message that exceeds a limit, and IsolationFailed while all are busy or the
    machine does not let one run.
    """

    def __init__(self, limits: ReadLimits) -> None:
        """Starts nothing."""
        self._limits = limits
        self._free: list[StepProcess] = []
        self._places = threading.BoundedSemaphore(limits.children)

    def body(self, raw: bytes) -> Body:
        """What a message says."""
        body: Body = self._result("body", raw, raw, Body)
        return body

    def page(self, raw: bytes, remote_images: bool = False) -> str:
        """A message as harmless HTML."""
        return self._ask("page", (raw, remote_images), raw).decode("utf-8", "surrogatepass")

    def part(self, raw: bytes, part: str) -> AttachmentContent | None:
        """The content of the part with this number; None when there is none."""
        content: AttachmentContent | None = self._result("part", (raw, part), raw, (AttachmentContent, NoneType))
        return content

    def close(self) -> None:
        """End the children that nobody asks."""
        while self._free:
            self._free.pop().close()

    def _result(self, step: str, argument: object, raw: bytes, kind: type | tuple[type, ...]) -> Any:
        try:
            return result(self._ask(step, argument, raw), kind)
        except pickle.UnpicklingError as exc:
            _LOG.error("A child answered the step %s with no result of its own: %s", step, exc)
            self.close()  # no later message is read by what answered so
            raise ReadingStopped(CRASHED) from exc

    def _ask(self, step: str, argument: object, raw: bytes) -> bytes:
        if not self._places.acquire(timeout=_WAIT_S):
            raise IsolationFailed(f"all {self._limits.children} are busy")
        try:
            return self._ask_child(step, argument, raw)
        finally:
            self._places.release()

    def _ask_child(self, step: str, argument: object, raw: bytes) -> bytes:
        try:
            child = self._free.pop()  # the one that was asked last: its memory is warm
        except IndexError:
            child = StepProcess(CHILD, [str(self._limits.memory_bytes)], longest_s=0.0)  # a request waits for it
        cpu_s, was_running = self._limits.cpu_s(len(raw)), child.running
        try:
            try:
                return child.ask(step, argument, cpu_s)
            except Stopped as stopped:
                # What earlier messages left, or whoever ended a child, is not this one's fault: once more.
                if not was_running or stopped.code not in (CRASHED, OUT_OF_MEMORY):
                    raise
                return child.ask(step, argument, cpu_s)
        except Stopped as stopped:
            _LOG.warning("Reading a message of %d bytes was stopped at the step %s: %s", len(raw), step, stopped)
            raise ReadingStopped(stopped.code) from stopped
        finally:
            self._free.append(child)


@cache
def reading_of(limits: ReadLimits) -> IsolatedReading:
    """The children of this process, which all its applications share."""
    shared = IsolatedReading(limits)
    atexit.register(shared.close)
    return shared

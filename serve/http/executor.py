"""Blocking calls of an application in a bounded number of threads, and its background tasks."""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from serve.http.fair_slots import FairSlots, acting_caller, share

_P = ParamSpec("_P")
_T = TypeVar("_T")
#: Maximum number of waiting calls per caller, and how long a call waits for a thread.
_WAITING_PER_CALLER, _WAIT_S = 64, 20.0


class BlockingExecutor:
    """A bounded set of threads. Further calls wait; one caller has at most half of the threads."""

    def __init__(self, threads: int) -> None:
        self._slots = FairSlots(threads, share(threads), _WAITING_PER_CALLER, _WAIT_S)
        self._unbounded = anyio.CapacityLimiter(math.inf)  # the slots limit the number of threads
        self._running, self._idle = 0, threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, call: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        """Run `call` in a thread. A cancelled call runs to its end and occupies its slot until then.

        Raises:
            RateLimited, Overloaded: no thread became free in time.
        """
        caller = acting_caller.get()
        await self._slots.acquire(caller)
        place = _Place(self._slots, caller)
        counted = partial(self._counted, partial(call, *arguments, **options), place)
        try:
            return await anyio.to_thread.run_sync(counted, limiter=self._unbounded, abandon_on_cancel=True)
        finally:
            place.give_back_unless_running()

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Start a background task that no caller's limits apply to. `close` cancels it."""
        context = copy_context()
        context.run(acting_caller.set, None)
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self, timeout_s: float = 10.0) -> None:
        """Cancel the background tasks and wait for running calls, which hold connections."""
        for task in self._tasks:
            task.cancel()
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, timeout_s)

    def _counted(self, call: Callable[[], _T], place: "_Place") -> _T:
        with self._idle:
            self._running += 1
        place.runs()
        try:
            return call()
        finally:
            place.ended()
            with self._idle:
                self._running -= 1
                self._idle.notify_all()


class _Place:
    """A slot that is released once: when the thread ends, or when the caller gives up before the thread starts."""

    def __init__(self, slots: FairSlots, caller: str | None) -> None:
        self._slots, self._caller, self._loop = slots, caller, asyncio.get_running_loop()
        self._lock, self._running, self._given_back = threading.Lock(), False, False

    def runs(self) -> None:
        """Record that the thread has started."""
        with self._lock:
            self._running = True

    def ended(self) -> None:
        """Record that the thread has ended, and release the slot."""
        with self._lock:
            self._running = False
            given_back, self._given_back = self._given_back, True
        if not given_back and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._slots.release, self._caller)

    def give_back_unless_running(self) -> None:
        """Release the slot of a call that was abandoned before its thread started."""
        with self._lock:
            if self._running or self._given_back:
                return
            self._given_back = True
        self._slots.release(self._caller)

"""Blocking calls of an application, off its event loop and only so many at a time; and its work in the background."""

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
#: Calls of one caller that may wait for a thread, and the seconds that each may.
_WAITING_EACH, _WAIT_S = 64, 20.0


class BlockingExecutor:
    """A bounded set of threads; further calls wait their turn. One caller has half of the threads at most."""

    def __init__(self, threads: int) -> None:
        self._slots = FairSlots(threads, share(threads), _WAITING_EACH, _WAIT_S)
        self._unbounded = anyio.CapacityLimiter(math.inf)  # the slots are the bound
        self._running, self._idle = 0, threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, call: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        """What `call` returns or raises. Cancelling leaves the thread behind, which goes on to its end and counts.

        Raises:
            RateLimited, Overloaded: no thread was free in time.
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
        """Have something done beside the requests, until `close`, on nobody's account."""
        context = copy_context()
        context.run(acting_caller.set, None)
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self, timeout_s: float = 10.0) -> None:
        """End what was begun, and wait for the calls that still run: they hold connections."""
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
    """A place that is given back once: by the thread's end, or by a caller who gave up before it began."""

    def __init__(self, slots: FairSlots, caller: str | None) -> None:
        self._slots, self._caller, self._loop = slots, caller, asyncio.get_running_loop()
        self._lock, self._running, self._given_back = threading.Lock(), False, False

    def runs(self) -> None:
        """The thread began."""
        with self._lock:
            self._running = True

    def ended(self) -> None:
        """The thread ends."""
        with self._lock:
            self._running = False
            given_back, self._given_back = self._given_back, True
        if not given_back and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._slots.release, self._caller)

    def give_back_unless_running(self) -> None:
        """Nobody waits for the call any more."""
        with self._lock:
            if self._running or self._given_back:
                return
            self._given_back = True
        self._slots.release(self._caller)

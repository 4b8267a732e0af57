"""Blocking calls of an application, off its event loop and only so many at a time; and its work in the background."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

_P = ParamSpec("_P")
_T = TypeVar("_T")


class BlockingExecutor:
    """A bounded set of threads; further calls wait their turn."""

    def __init__(self, threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._running, self._idle = 0, threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, call: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        """What `call` returns or raises. Cancelling leaves the thread behind, which goes on to its end and counts."""
        counted = partial(self._counted, partial(call, *arguments, **options))
        return await anyio.to_thread.run_sync(counted, limiter=self._limiter, abandon_on_cancel=True)

    def begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Have something done beside the requests, until `close`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self, timeout_s: float = 10.0) -> None:
        """End what was begun, and wait for the calls that still run: they hold connections."""
        for task in self._tasks:
            task.cancel()
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, timeout_s)

    def _counted(self, call: Callable[[], _T]) -> _T:
        with self._idle:
            self._running += 1
        try:
            return call()
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

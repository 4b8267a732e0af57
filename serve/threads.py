"""Blocking calls of an application, off its event loop and only so many at a time."""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """A bounded set of threads; further calls wait their turn."""

    def __init__(self, threads: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)

    async def run(self, call: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        """What `call` returns or raises. Cancelling waits for its end: a thread cannot be stopped."""
        return await anyio.to_thread.run_sync(partial(call, *arguments, **options), limiter=self._limiter)

    async def probe(self, call: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
        """The same, but cancelling leaves the thread behind: for calls whose late answer nobody needs."""
        return await anyio.to_thread.run_sync(
            partial(call, *arguments, **options), limiter=self._limiter, abandon_on_cancel=True
        )

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
        """What `call` returns or raises. Cancelling leaves the thread behind, which goes on to its end and counts."""
        return await anyio.to_thread.run_sync(
            partial(call, *arguments, **options), limiter=self._limiter, abandon_on_cancel=True
        )

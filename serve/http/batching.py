"""Answers lookups of concurrent requests with few queries: what arrives while one runs is asked by the next.

A lookup is part of a query that begins after the lookup, so its result is never older than its request. Equal keys of
one query share a result. For use in one event loop.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from serve.http.executor import BlockingExecutor

K = TypeVar("K")
V = TypeVar("V")

#: Most lookups in one query.
_MOST = 500


class Batcher(Generic[K, V]):
    """One query at a time, in a thread."""

    def __init__(
        self, ask: Callable[[Sequence[K]], Mapping[K, V]], threads: BlockingExecutor, most: int = _MOST
    ) -> None:
        """`ask`: blocking; returns the values of the keys that have one."""
        self._ask, self._threads, self._most = ask, threads, most
        self._waiting: list[tuple[K, asyncio.Future[V | None]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def of(self, key: K) -> V | None:
        """The value of a key; None if it has none. Raises what `ask` raises."""
        answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, answer))
        if self._asking is None or self._asking.done():
            self._asking = self._threads.begin(self._ask_all())
        return await answer

    async def _ask_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                found = await self._threads.run(self._ask, list(dict.fromkeys(key for key, _ in batch)))
            except asyncio.CancelledError:
                for _, answer in [*batch, *self._waiting]:
                    answer.cancel()
                self._waiting.clear()
                raise
            except Exception as exc:  # noqa: BLE001 - every request that waits receives it
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(exc)
            else:
                for key, answer in batch:
                    if not answer.done():
                        answer.set_result(found.get(key))

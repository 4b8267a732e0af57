"""Server-sent events: what something is like now, again whenever it has changed, until it is over.

An event's id is a digest of what it says, so a client that comes back with Last-Event-ID (a proxy cuts long streams)
is told only what is new to it. Streams of the same thing share one look a second, and wait without a thread.
Source: html.spec.whatwg.org, 9.2.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from typing import Annotated

import orjson
from fastapi import Header
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from serve.http.errors import RateLimited

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)]
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_AGAIN_S = 5.0


class Streams:
    """The streams of one replica."""

    def __init__(self, most: int, most_each: int, every_s: float, heartbeat_s: float) -> None:
        """`most`: streams at a time; most_each: of one caller; every_s: between two looks; heartbeat_s: of silence."""
        self._most, self._most_each, self._every_s, self._heartbeat_s = most, most_each, every_s, heartbeat_s
        self._open: Counter[int] = Counter()
        self._looks: dict[Hashable, tuple[float, asyncio.Future[BaseModel]]] = {}

    def response(
        self,
        caller: int,
        key: Hashable,
        look: Callable[[], Awaitable[BaseModel]],
        over: Callable[[BaseModel], bool],
        seen: str | None,
    ) -> StreamingResponse:
        """The answer that streams.

        Args:
            key: what is looked at: streams of one key share their looks.
            over: whether nothing more will change.

        Raises:
            RateLimited: too many streams are open.
        """
        if self._open.total() >= self._most or self._open[caller] >= self._most_each:
            raise RateLimited(_AGAIN_S)
        events = self._events(caller, key, look, over, seen)
        return StreamingResponse(events, headers=_HEADERS, media_type="text/event-stream")

    async def _events(
        self,
        caller: int,
        key: Hashable,
        look: Callable[[], Awaitable[BaseModel]],
        over: Callable[[BaseModel], bool],
        seen: str | None,
    ) -> AsyncIterator[bytes]:
        self._open[caller] += 1
        said_at = time.monotonic()
        try:
            while True:
                state = await self._look(key, look)
                data = orjson.dumps(state.model_dump(mode="json"))
                digest = hashlib.blake2b(data, digest_size=8).hexdigest()
                if digest != seen:
                    seen, said_at = digest, time.monotonic()
                    yield b"id: %s\nevent: %s\ndata: %s\n\n" % (digest.encode(), b"progress", data)
                elif time.monotonic() - said_at >= self._heartbeat_s:
                    said_at = time.monotonic()
                    yield b": still here\n\n"
                if over(state):
                    yield b"id: %s\nevent: end\ndata: {}\n\n" % digest.encode()
                    return
                await asyncio.sleep(self._every_s)
        finally:
            self._open[caller] -= 1
            self._open += Counter()  # forgets who has none

    async def _look(self, key: Hashable, look: Callable[[], Awaitable[BaseModel]]) -> BaseModel:
        """What it is like: as somebody saw it a moment ago, or sees it now."""
        now = time.monotonic()
        self._looks = {each: known for each, known in self._looks.items() if now - known[0] < self._every_s}
        if key not in self._looks:
            self._looks[key] = now, asyncio.ensure_future(look())
        return await asyncio.shield(self._looks[key][1])

"""Server-sent events: the current state of an object, then every change until the object is complete.

The id of an event is a digest of its data, so a client that reconnects with Last-Event-ID receives an event only if the
state has changed. Streams of the same object share one poll per interval and occupy no thread while they wait.
Source: html.spec.whatwg.org, 9.2.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import Header
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from serve.http.errors import RateLimited

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=30_000)]
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_AGAIN_S = 5.0


class Streams:
    """The streams of one replica."""

    def __init__(self, most: int, most_each: int, every_s: float, heartbeat_s: float) -> None:
        """Create the streams.

        Args:
            most: maximum number of open streams.
            most_each: maximum number of open streams per caller.
            every_s: seconds between polls.
            heartbeat_s: seconds without an event after which a comment is sent.
        """
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
        """Return a streaming response.

        Args:
            key: identifies the object; streams with the same key share their polls.
            look: polls the object.
            over: whether a state is final.
            seen: the client's Last-Event-ID.

        Raises:
            RateLimited: too many streams are open.
        """
        return self.forward(caller, self._changes(key, look, over, seen))

    def forward(self, caller: int, events: AsyncIterator[bytes]) -> StreamingResponse:
        """Return a streaming response of events that are already encoded.

        Raises:
            RateLimited: too many streams are open.
        """
        if self._open.total() >= self._most or self._open[caller] >= self._most_each:
            raise RateLimited(_AGAIN_S)
        return StreamingResponse(self._counted(caller, events), headers=_HEADERS, media_type="text/event-stream")

    async def _counted(self, caller: int, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._open[caller] += 1
        try:
            async with aclosing(events) as parts:  # type: ignore[type-var]
                async for part in parts:
                    yield part
        finally:
            self._open[caller] -= 1
            self._open += Counter()  # removes callers without streams

    async def _changes(
        self,
        key: Hashable,
        look: Callable[[], Awaitable[BaseModel]],
        over: Callable[[BaseModel], bool],
        seen: str | None,
    ) -> AsyncIterator[bytes]:
        said_at = time.monotonic()
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

    async def _look(self, key: Hashable, look: Callable[[], Awaitable[BaseModel]]) -> BaseModel:
        """Poll the object, or return the result of a poll within the last interval."""
        now = time.monotonic()
        self._looks = {other: poll for other, poll in self._looks.items() if now - poll[0] < self._every_s}
        if key not in self._looks:
            self._looks[key] = now, asyncio.ensure_future(look())
        return await asyncio.shield(self._looks[key][1])

"""Feeds of events for the routes: whose events, and how a stream of them waits for the next.

All streams of a replica share one look at the positions of all shards per interval; a stream reads its own events only
when its shard has new ones.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from serve.http.executor import BlockingExecutor
from storage.errors import BackupError
from storage.events.log import Page, decode_fleet
from storage.events.stored_event import parse_id

_LOG = logging.getLogger(__name__)

#: Events that a stream reads at once.
_BATCH = 500


class Feed(Protocol):
    """Events of a user, or of the fleet. `storage.events.log.UserEvents` is one. Blocking."""

    def start(self) -> str: ...

    def present(self) -> str: ...

    def page(self, cursor: str, types: Sequence[str] | None, limit: int) -> Page: ...


class HeadWatch:
    """Waits until shards have events after a cursor."""

    def __init__(self, heads: Callable[[], Mapping[int, int]], threads: BlockingExecutor, every_s: float) -> None:
        """`heads`: the highest position of each shard; blocking. every_s: seconds between two looks."""
        self._heads, self._threads, self._every_s = heads, threads, every_s
        self._look: tuple[float, asyncio.Future[Mapping[int, int]]] | None = None

    async def beyond(self, positions: Mapping[int, int], timeout_s: float) -> bool:
        """Whether one of these shards has events after its position, within a time.

        Raises:
            BackupError: the positions cannot be read.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            heads = await self._current()
            if any(heads.get(shard_id, 0) > position for shard_id, position in positions.items()):
                return True
            if time.monotonic() + self._every_s > deadline:
                return False
            await asyncio.sleep(self._every_s)

    async def _current(self) -> Mapping[int, int]:
        now = time.monotonic()
        if self._look is None or now - self._look[0] >= self._every_s:
            self._look = now, asyncio.ensure_future(self._threads.run(self._heads))
        return await asyncio.shield(self._look[1])


async def stream(
    feed: Feed,
    first: Page,
    types: Sequence[str] | None,
    watch: HeadWatch,
    threads: BlockingExecutor,
    heartbeat_s: float,
    fleet: bool,
) -> AsyncIterator[bytes]:
    """Server-sent events from a first page on, for ever; ends when they cannot be read, and the client reconnects.

    A heartbeat moves the client's Last-Event-ID, so that a quiet mailbox does not resume at a position whose
    neighbours have been deleted.
    """
    page, said_at = first, time.monotonic()
    try:
        while True:
            if page.items:
                said_at = time.monotonic()
                yield b"".join(_sent(event.id, page, number, fleet) for number, event in enumerate(page.items))
            if not page.full:
                left_s = said_at + heartbeat_s - time.monotonic()
                if left_s <= 0 or not await watch.beyond(positions_of(page.cursor, fleet), left_s):
                    said_at = time.monotonic()
                    yield b": still here\nid: %s\n\n" % page.cursor.encode()
            page = await threads.run(feed.page, page.cursor, types, _BATCH)
    except BackupError as exc:
        _LOG.warning("A stream of events ends: %s", exc)


def positions_of(cursor: str, fleet: bool) -> dict[int, int]:
    """The positions of a cursor, by shard."""
    if fleet:
        return decode_fleet(cursor)
    shard_id, position = parse_id(cursor)
    return {shard_id: position}


def _sent(event_id: str, page: Page, number: int, fleet: bool) -> bytes:
    event = page.items[number]
    data = orjson.dumps(event.cloud_event(fleet))
    # A cursor of the fleet has every shard, so only the last event of a page has one.
    resume = event_id if not fleet else page.cursor if number == len(page.items) - 1 else None
    head = b"id: %s\n" % resume.encode() if resume is not None else b""
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.type.encode(), data)


def as_documents(page: Page, fleet: bool) -> list[dict[str, Any]]:
    """The events of a page as CloudEvents."""
    return [event.cloud_event(fleet) for event in page.items]

"""Reads events: of one user, and of the fleet. Blocking.

A user's events are in the outbox of the user's shard, including those that the control database published, which
`storage/events/forwarding.py` copies there. Their order is the order of their positions, for every reader and at any
time. Between shards there is no order: a cursor of the fleet has a position for each shard.
"""

import base64
import binascii
import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from storage.db.engines import Databases, DatabaseUnreachable, Source, transaction
from storage.db.sql_files import query
from storage.events.publishing import CONTROL
from storage.events.registry import REGISTRY
from storage.events.stored_event import (
    EventsExpired,
    InvalidEventId,
    StoredEvent,
    event_id,
    parse_id,
    position_of,
)

_LOG = logging.getLogger(__name__)

#: Most events of one page.
MOST = 1000
_ENTRY = struct.Struct(">iq")
_MOST_SHARDS = 4097


@dataclass(frozen=True, slots=True)
class Page:
    """Events, oldest first; cursor: continue after it, also when there are no events."""

    items: list[StoredEvent]
    cursor: str
    full: bool


class UserEvents:
    """The events of one user. No method can address another user's."""

    def __init__(self, user_id: int, shard_id: int, engine: Source, keep_days: int) -> None:
        """`engine`: the database of the user's shard. keep_days: retention of events."""
        self._user_id, self._shard_id, self._engine, self._keep_days = user_id, shard_id, engine, keep_days

    @property
    def shard_id(self) -> int:
        """The user's shard."""
        return self._shard_id

    def start(self, since: datetime | None = None) -> str:
        """A cursor before all events (since a time)."""
        return event_id(self._shard_id, 0 if since is None else max(position_of(since), 0))

    def present(self) -> str:
        """A cursor after all events so far."""
        with transaction(self._engine) as connection:
            return event_id(self._shard_id, _heads(connection, [self._shard_id]).get(self._shard_id, 0))

    def page(self, cursor: str, types: Sequence[str] | None, limit: int) -> Page:
        """Events after a cursor, up to `limit` (1 to MOST).

        Raises:
            InvalidEventId: the cursor is of another feed.
            EventsExpired.
        """
        shard_id, after = parse_id(cursor)
        if shard_id != self._shard_id:
            raise InvalidEventId(cursor)
        values = {"user_id": self._user_id, "shard_id": shard_id, "after": after, "types": types, "limit": limit}
        with transaction(self._engine) as connection:
            head = _heads(connection, [shard_id]).get(shard_id, 0)  # before the events: up to it, all are committed
            _require_kept(after, head, self._keep_days)
            items = [_event(row) for row in connection.execute(query("events_of_user"), values)]
        full = len(items) == limit
        last = items[-1].position if items else after
        return Page(items, event_id(shard_id, last if full else max(last, head)), full)


class FleetEvents:
    """The events of all mailboxes that contain no mail, and those about no mailbox; for operators."""

    def __init__(self, databases: Databases, shards: Callable[[], Mapping[int, int]], keep_days: int) -> None:
        """`shards`: shard -> index of its database."""
        self._databases, self._shards, self._keep_days = databases, shards, keep_days

    def start(self, since: datetime | None = None) -> str:
        """A cursor before all events (since a time)."""
        first = 0 if since is None else max(position_of(since), 0)
        return encode_fleet(dict.fromkeys([CONTROL, *self._shards()], first))

    def present(self) -> str:
        """A cursor after all events so far."""
        return encode_fleet(self.heads())

    def heads(self, skip_unreachable: bool = False) -> dict[int, int]:
        """The highest position of every shard and of the control database; 0: no events yet.

        Args:
            skip_unreachable: leave the shards of a database out that does not answer, instead of raising.

        Raises:
            DatabaseUnreachable.
        """
        found: dict[int, int] = {}
        for engine, shard_ids in self._places():
            try:
                with transaction(engine) as connection:
                    found |= {**dict.fromkeys(shard_ids, 0), **_heads(connection, shard_ids)}
            except DatabaseUnreachable as exc:
                if not skip_unreachable:
                    raise
                _LOG.warning("Events of shards %s wait: %s", shard_ids, exc)
        return found

    def page(self, cursor: str, types: Sequence[str] | None, limit: int) -> Page:
        """Events after a cursor, up to `limit` (1 to MOST).

        Raises:
            InvalidEventId, EventsExpired.
        """
        visible = REGISTRY.of_fleet()
        wanted = visible if types is None else [name for name in types if name in visible]
        after = {**dict.fromkeys([CONTROL, *self._shards()], 0), **decode_fleet(cursor)}
        heads: dict[int, int] = {}
        items: list[StoredEvent] = []
        for engine, shard_ids in self._places():
            values: dict[str, Any] = {"shard_ids": shard_ids, "afters": [after[shard_id] for shard_id in shard_ids]}
            # Events of mailboxes are in their shards: the control database's are only forwarded.
            values |= {"types": wanted, "of_nobody": CONTROL in shard_ids, "limit": limit}
            with transaction(engine) as connection:
                heads |= _heads(connection, shard_ids)
                items += [_event(row) for row in connection.execute(query("events_of_shards"), values)]
        for shard_id, head in heads.items():
            _require_kept(after[shard_id], head, self._keep_days)
        items.sort(key=lambda event: (event.position, event.shard_id))
        full, items = len(items) >= limit, items[:limit]
        reached = {**after} if full else {**after, **{shard: max(head, after[shard]) for shard, head in heads.items()}}
        for event in items:
            reached[event.shard_id] = max(reached[event.shard_id], event.position)
        return Page(items, encode_fleet(reached), full)

    def of_shard(self, shard_id: int, after: int, types: Sequence[str], limit: int) -> tuple[list[StoredEvent], int]:
        """Events of one shard with all their data, for consumers within the cluster, and how far that is all of them.

        Of the control database, only events about no mailbox: the others are forwarded.
        """
        engine = self._databases.control
        if shard_id != CONTROL:
            engine = self._databases.shard_database(self._shards()[shard_id])
        values: dict[str, Any] = {"shard_ids": [shard_id], "afters": [after], "types": list(types), "limit": limit}
        with transaction(engine) as connection:
            head = _heads(connection, [shard_id]).get(shard_id, 0)
            values["of_nobody"] = shard_id == CONTROL
            events = [_event(row) for row in connection.execute(query("events_of_shards"), values)]
        last = events[-1].position if events else after
        return events, last if len(events) == limit else max(last, head)

    def _places(self) -> list[tuple[Source, list[int]]]:
        by_database: dict[int, list[int]] = {}
        for shard_id, index in self._shards().items():
            by_database.setdefault(index, []).append(shard_id)
        places: list[tuple[Source, list[int]]] = [(self._databases.control, [CONTROL])]
        return [*places, *((self._databases.shard_database(index), ids) for index, ids in sorted(by_database.items()))]


def encode_fleet(positions: Mapping[int, int]) -> str:
    """A cursor of the fleet: 16 characters for each shard."""
    packed = b"".join(_ENTRY.pack(shard_id, position) for shard_id, position in sorted(positions.items()))
    return base64.urlsafe_b64encode(packed).decode()


def decode_fleet(cursor: str) -> dict[int, int]:
    """The positions of a cursor, by shard.

    Raises:
        InvalidEventId.
    """
    try:
        packed = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
        if not packed or len(packed) > _MOST_SHARDS * _ENTRY.size:
            raise InvalidEventId(cursor)
        positions = dict(_ENTRY.iter_unpack(packed))
    except (ValueError, binascii.Error, struct.error) as exc:
        raise InvalidEventId(cursor) from exc
    if any(shard_id < CONTROL or position < 0 for shard_id, position in positions.items()):
        raise InvalidEventId(cursor)
    return positions


def _heads(connection: Connection, shard_ids: Sequence[int]) -> dict[int, int]:
    rows = connection.execute(query("event_heads"), {"shard_ids": list(shard_ids)})
    return {row.shard_id: row.last for row in rows}


def _require_kept(after: int, head: int, keep_days: int) -> None:
    """Positions are times: nothing that was published after the horizon is deleted. 0: from the oldest event on."""
    if 0 < after < min(head, position_of(datetime.now(UTC) - timedelta(days=keep_days))):
        raise EventsExpired(after, keep_days)


def _event(row: Row[Any]) -> StoredEvent:
    return StoredEvent(row.shard_id, row.position, row.user_id, row.type, row.version, row.data, row.created_at)

"""Offsets of named consumers, and events that they could not handle, in the control database. Blocking.

An offset is only advanced from the value that was read (`advance`), so a bus that was replaced, or that reads while an
operator asks for a replay, cannot overwrite another's offset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Row

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.stored_event import StoredEvent, event_id

_LONGEST_ERROR = 1000


class UnknownConsumer(BackupError):
    """There is no such consumer. List the consumers."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no consumer {self.name[:100]!r}: see `gbm events consumers`."


class UnknownDeadLetter(BackupError):
    """The consumer has no such dead letter. List the dead letters."""

    def __init__(self, consumer: str, name: str) -> None:
        super().__init__(consumer, name)
        self.consumer, self.name = consumer, name

    def __str__(self) -> str:
        return f"{self.consumer} has no dead letter {self.name}: see `gbm events dead-letters`."


@dataclass(frozen=True, slots=True)
class Offset:
    """Everything up to `position` was handled. replays: number of replays that were asked for."""

    position: int
    replays: int = 0


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """A consumer's offset in one shard. dead: dead letters."""

    consumer: str
    shard_id: int
    position: int
    updated_at: datetime
    dead: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a consumer could not handle."""

    consumer: str
    event: StoredEvent
    attempts: int
    error: str
    failed_at: datetime


class ConsumerStore:
    """Stores offsets and dead letters."""

    def __init__(self, engine: Source) -> None:
        """`engine`: of the control database."""
        self._engine = engine

    def offsets(self, consumer: str) -> dict[int, Offset]:
        """A consumer's offsets, by shard."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("offsets_of_consumer"), {"consumer": consumer})
            return {row.shard_id: Offset(row.position, row.replays) for row in rows}

    def create(self, consumer: str, positions: Mapping[int, int]) -> None:
        """Record first offsets; existing ones are unchanged."""
        rows = [
            {"consumer": consumer, "shard_id": shard_id, "position": position}
            for shard_id, position in positions.items()
        ]
        if rows:
            with transaction(self._engine) as connection:
                connection.execute(query("offset_create"), rows)

    def advance(self, consumer: str, shard_id: int, before: Offset, position: int) -> bool:
        """Advance an offset; False if it is no longer `before`: read it again."""
        values = {"consumer": consumer, "shard_id": shard_id, "before": before.position, "replays": before.replays}
        with transaction(self._engine) as connection:
            row = connection.execute(query("offset_advance"), {**values, "position": position}).first()
        return row is not None

    def replay(self, consumer: str, positions: Mapping[int, int]) -> None:
        """Set offsets, so that the events after them are delivered again.

        Raises:
            UnknownConsumer.
        """
        values = {"consumer": consumer, "shard_ids": [*positions], "positions": [*positions.values()]}
        with transaction(self._engine) as connection:
            if not connection.execute(query("offset_replay"), values).rowcount:
                raise UnknownConsumer(consumer)

    def all(self) -> list[ConsumerState]:
        """Every consumer and shard."""
        with transaction(self._engine) as connection:
            return [ConsumerState(*row) for row in connection.execute(query("offsets_all"))]

    def bury(self, consumer: str, event: StoredEvent, attempts: int, error: str) -> None:
        """Keep an event that could not be handled."""
        values = {
            "consumer": consumer,
            "shard_id": event.shard_id,
            "position": event.position,
            "user_id": event.user_id,
            "type": event.type,
            "version": event.version,
            "data": orjson.dumps(event.data).decode(),
            "at": event.at,
            "attempts": attempts,
            "error": error[:_LONGEST_ERROR],
        }
        with transaction(self._engine) as connection:
            connection.execute(query("dead_letter_save"), values)

    def dead_letters(self, consumer: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Dead letters (of a consumer), those that failed first before others."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("dead_letters"), {"consumer": consumer, "limit": limit})
            return [_dead_letter(row) for row in rows]

    def due(self, consumer: str, limit: int = 100) -> list[DeadLetter]:
        """Dead letters that an operator wants delivered again."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("dead_letter_due"), {"consumer": consumer, "limit": limit})
            return [_dead_letter(row) for row in rows]

    def retry(self, consumer: str, key: tuple[int, int] | None = None) -> int:
        """Have dead letters delivered again; returns their number. key: shard and position; None: all.

        Raises:
            UnknownDeadLetter.
        """
        return self._change("dead_letter_retry", consumer, key)

    def delete(self, consumer: str, key: tuple[int, int] | None = None) -> int:
        """Delete dead letters; returns their number. key: shard and position; None: all.

        Raises:
            UnknownDeadLetter.
        """
        return self._change("dead_letter_delete", consumer, key)

    def _change(self, name: str, consumer: str, key: tuple[int, int] | None) -> int:
        shard_id, position = key or (None, None)
        values = {"consumer": consumer, "shard_id": shard_id, "position": position}
        with transaction(self._engine) as connection:
            changed = connection.execute(query(name), values).rowcount
        if not changed and key is not None:
            raise UnknownDeadLetter(consumer, event_id(*key))
        return changed


def _dead_letter(row: "Row[tuple[object, ...]]") -> DeadLetter:
    event = StoredEvent(row.shard_id, row.position, row.user_id, row.type, row.version, row.data, row.at)
    return DeadLetter(row.consumer, event, row.attempts, row.error, row.failed_at)

"""Rebuilds the catalog, the message index and the users from the archive's files.

`rebuild` starts with empty databases; `reconcile` updates restored databases from a newer archive. Both work shard by
shard: they import every segment that the catalog lacks (storage/recovery/segment_import.py), then apply the roll-ups.
Each step may be repeated. Changes that no roll-up contains return with the next sync, which lists the whole mailbox.
Secrets are not in the archive. No owner may run meanwhile. Blocking.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.config import ArchiveConfig
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.files.blobs import LocalBlobs
from storage.model.records import MailboxRecord, Phase
from storage.recovery.rollup_reader import Rolled, rolled_of
from storage.recovery.rollup_writer import ADDED_COLUMNS
from storage.recovery.segment_import import Known, SegmentImport

#: (shard, segments done, segments in total)
Tell = Callable[[int, int, int], None]
_EVENT_TYPES = ("int8", "int8", "text", "bool", "int8", "timestamptz", "int8", "int4")
_STATE_TYPES = ("int8", "int8", "int8", "text[]", "timestamptz", "timestamptz", "timestamptz", "int4")


class DatabasesFilled(BackupError):
    """The databases contain data. Name empty databases, or use --replace."""

    def __init__(self, databases: str) -> None:
        super().__init__(databases)
        self.databases = databases

    def __str__(self) -> str:
        return f"There are data in {self.databases}: name empty databases, or use --replace to delete the data."


@dataclass(slots=True)
class Rebuilt:
    """Result of a rebuild. unnamed: users without a known address; relisted: mailboxes that the next sync lists."""

    shards: int = 0
    segments: int = 0
    messages: int = 0
    retired: int = 0
    mailboxes: int = 0
    events: int = 0
    rollups: int = 0
    relisted: int = 0
    unnamed: list[int] = field(default_factory=list)
    damaged: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def shards_of(blobs: LocalBlobs) -> list[int]:
    """The shards that have a folder in the archive."""
    folders = {blob.name.partition("/")[0] for blob in blobs.list("")}
    return sorted(int(name) for name in folders if len(name) >= 4 and name.isdecimal() and name.isascii())


def require_empty(databases: Databases) -> None:
    """Check that the databases are empty.

    Raises:
        DatabasesFilled.
    """
    filled = []
    with transaction(databases.control) as connection:
        if connection.execute(text("SELECT EXISTS (SELECT FROM users)")).scalar():
            filled.append("the control database")
    for index in range(databases.shard_databases):
        with transaction(databases.shard_database(index)) as connection:
            if connection.execute(query("rebuild_filled")).scalar():
                filled.append(f"shard database {index}")
    if filled:
        raise DatabasesFilled(" and ".join(filled))


def reconcile(
    databases: Databases,
    shards: Mapping[int, int],
    blobs: LocalBlobs,
    config: ArchiveConfig,
    addresses: Mapping[int, str] | None = None,
    tell: Tell | None = None,
) -> Rebuilt:
    """Import everything that the archive has and the databases lack.

    Args:
        shards: shard -> index of its database; every shard of the archive.
        addresses: user id -> address, of users that no roll-up names.
    """
    done = Rebuilt()
    for database in sorted(set(shards.values())):
        with transaction(databases.shard_database(database)) as connection:
            mine = [shard_id for shard_id, place in shards.items() if place == database]
            connection.execute(query("lease_close"), {"shard_ids": mine})
    for shard_id, database in sorted(shards.items()):
        _Shard(databases, database, shard_id, blobs, config, addresses or {}, done).run(tell or (lambda *_: None))
    with transaction(databases.control) as connection:
        connection.execute(query("rebuild_user_ids"), {"user_id": 1})
    return done


class _Shard:
    """One shard of a rebuild."""

    def __init__(
        self,
        databases: Databases,
        database: int,
        shard_id: int,
        blobs: LocalBlobs,
        config: ArchiveConfig,
        addresses: Mapping[int, str],
        done: Rebuilt,
    ) -> None:
        self._control, self._engine = databases.control, databases.shard_database(database)
        self._shard_id, self._blobs, self._config = shard_id, blobs, config
        self._addresses, self._done = addresses, done

    def run(self, tell: Tell) -> None:
        """Rebuild the shard."""
        rolled, damaged = rolled_of(self._blobs, self._shard_id)
        self._done.damaged += damaged
        self._mailboxes(rolled)
        adoption = self._segments(rolled, tell)
        adopted = adoption.done
        self._users_found()
        lost = self._states(rolled)
        with transaction(self._engine) as connection:
            connection.execute(query("rebuild_counts"), {"shard_id": self._shard_id})
            if damaged or adopted.damaged or adopted.missing:
                lost = None  # the users of a lost segment are unknown
            if lost is None or lost:
                values = {"shard_id": self._shard_id, "user_ids": lost}
                self._done.relisted += connection.execute(query("rebuild_relist"), values).rowcount
        adoption.open()
        self._done.shards += 1
        self._done.rollups += len(rolled)

    def _mailboxes(self, rolled: Sequence[Rolled]) -> None:
        """Insert the mailboxes, labels and failed items of the last roll-up."""
        if not rolled:
            return
        last = rolled[-1]
        mailboxes = last.table("mailboxes").to_pylist()
        with transaction(self._engine) as connection:
            had = set(connection.execute(text("SELECT user_id FROM mailboxes")).scalars())
            new = [row for row in mailboxes if row["user_id"] not in had]
            _each(connection, "rebuild_mailbox", [{**row, "shard_id": self._shard_id} for row in new])
            fresh = {row["user_id"] for row in new}
            for table, statement in (("labels", _LABELS), ("failed", _FAILED)):
                rows = [
                    {**ADDED_COLUMNS.get(table, {}), **row}
                    for row in last.table(table).to_pylist()
                    if row["user_id"] in fresh
                ]
                if rows:
                    connection.execute(text(statement), rows)
        self._register([(row["user_id"], row["email"], False) for row in mailboxes])
        self._done.mailboxes += len(new)

    def _segments(self, rolled: Sequence[Rolled], tell: Tell) -> SegmentImport:
        known: dict[str, Known] = {}
        if rolled:
            for row in rolled[-1].table("segments").to_pylist():
                known[row["name"]] = Known(row["created_at"], row["excluded"])
        adoption = SegmentImport(self._engine, self._blobs, self._config, self._shard_id, known)
        waiting = adoption.waiting()
        for number, name in enumerate(waiting):
            tell(self._shard_id, number, len(waiting))
            adoption.take(name)
        tell(self._shard_id, len(waiting), len(waiting))
        adoption.finish()
        done, adopted = self._done, adoption.done
        done.segments += adopted.segments
        done.messages += adopted.messages
        done.retired += adopted.retired
        done.damaged += adopted.damaged
        done.missing += adopted.missing
        return adoption

    def _users_found(self) -> None:
        """Create mailboxes for users with mail but without a mailbox; the next sync lists them whole."""
        with transaction(self._engine) as connection:
            user_ids = list(connection.execute(query("rebuild_users_found"), {"shard_id": self._shard_id}).scalars())
            named = {row.user_id: row.email for row in self._users(user_ids)}
            unnamed = [user_id for user_id in user_ids if user_id not in named and user_id not in self._addresses]
            emails = {key: self._addresses.get(key, f"unknown-{key}@rebuilt.invalid") for key in user_ids} | named
            records = [MailboxRecord(user_id, emails[user_id].lower(), phase=Phase.RECONCILE) for user_id in user_ids]
            rows = [{**_columns(record), "shard_id": self._shard_id} for record in records]
            _each(connection, "rebuild_mailbox", rows)
        self._register([(user_id, emails[user_id].lower(), user_id in unnamed) for user_id in user_ids])
        self._done.mailboxes += len(user_ids)
        self._done.relisted += len(user_ids)
        self._done.unnamed += unnamed

    def _users(self, user_ids: Sequence[int]) -> Sequence[Any]:
        with transaction(self._control) as connection:
            statement = text("SELECT user_id, email FROM users WHERE user_id = ANY(:ids)")
            return connection.execute(statement, {"ids": list(user_ids)}).all()

    def _register(self, users: Sequence[tuple[int, str, bool]]) -> None:
        rows = [
            {"user_id": user_id, "email": email, "shard_id": self._shard_id, "removed": removed}
            for user_id, email, removed in users
        ]
        with transaction(self._control) as connection:
            _each(connection, "rebuild_user", rows)
            if users:
                connection.execute(query("rebuild_user_ids"), {"user_id": max(user_id for user_id, _, _ in users)})

    def _states(self, rolled: Sequence[Rolled]) -> list[int] | None:
        """Restore the label events and the messages' states; return the users who lost mail."""
        if not rolled:
            return []
        with transaction(self._engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            for statement in query("rebuild_stage").text.split(";"):
                connection.execute(text(statement))
            for number, file in enumerate(rolled):
                _load(connection, "rolled_events", _EVENT_TYPES, file, "events", number)
                _load(connection, "rolled_states", _STATE_TYPES, file, "states", number)
            self._done.events += connection.execute(query("rebuild_events")).rowcount
            connection.execute(query("rebuild_states"))
            connection.execute(query("rebuild_threads"))
            lost = list(connection.execute(query("rebuild_lost")).scalars())
            self._resume(connection, rolled[-1])
        return lost

    def _resume(self, connection: Connection, last: Rolled) -> None:
        """Make the next roll-up continue after this one; it counts the events of this rebuild as rolled up."""
        values: dict[str, object] = {"shard_id": self._shard_id}
        row = connection.execute(query("rollup_last"), values).first()
        if row is not None and row.number >= last.number:
            return
        highest = connection.execute(text("SELECT coalesce(max(event_id), 0) FROM label_events")).scalar_one()
        values |= {"number": last.number, "name": last.name, "event_id": highest, "fingerprint": b""}
        changed_from: datetime = last.changed_from
        connection.execute(query("rollup_insert"), {**values, "changed_from": changed_from})


_LABELS = (
    "INSERT INTO labels (user_id, label_id, name, type, visibility, color)"
    " VALUES (:user_id, :label_id, :name, :type, :visibility, :color)"
    " ON CONFLICT DO NOTHING"
)
_FAILED = (
    "INSERT INTO failed_items (user_id, message_id, attempts, error, not_before, first_at)"
    " VALUES (:user_id, :message_id, :attempts, :error, :not_before, :first_at) ON CONFLICT DO NOTHING"
)


def _columns(record: MailboxRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in MailboxRecord.__slots__} | {"phase": record.phase.value}


def _each(connection: Connection, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(query(name), list(rows))


def _load(connection: Connection, table: str, types: Sequence[str], file: Rolled, member: str, number: int) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for batch in file.batches(member):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                copy.write_row((*row, number))

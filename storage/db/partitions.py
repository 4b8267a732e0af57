"""Partitions by time: created ahead, and dropped as a whole when their rows expire.

An insert never waits for a partition: a row without one goes to the default partition, and the next maintenance moves
it. Every change is a short transaction that gives up soon when another transaction holds the table (`LockTimedOut`, a
`DatabaseUnreachable`); the next maintenance does the rest. Blocking. Called by storage/db/migrate.py, and daily by a
cluster.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, Engine, text

from storage.config import RetentionConfig
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError

#: Partitions created beyond the current one, so that a cluster may be down for weeks.
AHEAD = 4
#: Milliseconds that a change waits for a table lock; writers queue behind it for as long.
_LOCK_TIMEOUT_MS = 2000
#: "gbmp": one process at a time maintains a database.
_LOCK = 0x67626D70
_BOUNDS = re.compile(r"FROM \((?:MINVALUE|'([^']+)')\) TO \('([^']+)'\)")


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A partitioned table: its time column, the length of a partition, and the least number of days to keep rows."""

    table: str
    column: str
    unit: Literal["week", "month"]
    keep_days: int

    def start(self, time: datetime) -> datetime:
        """Start of the partition of a time: Monday, or the first of the month, at midnight UTC."""
        day = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day - timedelta(days=day.weekday()) if self.unit == "week" else day.replace(day=1)

    def end(self, time: datetime) -> datetime:
        """End of the partition of a time, exclusive."""
        return self.start(self.start(time) + timedelta(days=7 if self.unit == "week" else 32))


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """Changes of one run of `maintain`: names of partitions, and the number of rows moved out of the default one."""

    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    moved: int = 0


def of_shard(retention: RetentionConfig) -> tuple[Partitioned, ...]:
    """The partitioned tables of a shard database."""
    return (
        Partitioned("outbox", "created_at", "week", retention.outbox_days),
        Partitioned("failed_history", "settled_at", "month", retention.failed_history_days),
    )


def of_control(retention: RetentionConfig) -> tuple[Partitioned, ...]:
    """The partitioned tables of the control database."""
    return (
        Partitioned("outbox", "created_at", "week", retention.outbox_days),
        Partitioned("audit", "at", "month", retention.audit_days),
    )


def maintain_all(databases: Databases, now: datetime) -> list[str]:
    """Maintain every database; return one sentence per failure. A failure does not affect the other databases."""
    retention = databases.retention
    failures = []
    for index in range(-1, databases.shard_databases):
        try:
            if index < 0:
                maintain(databases.control, of_control(retention), now)
            else:
                maintain(databases.shard_database(index), of_shard(retention), now)
        except BackupError as exc:
            failures.append(str(exc))
    return failures


def maintain(engine: Engine, tables: Sequence[Partitioned], now: datetime) -> MaintenanceReport:
    """Create the current and the next `AHEAD` partitions of each table, empty the default partition, drop old ones.

    Raises:
        LockTimedOut: another transaction holds a table; completed changes stay.
        DatabaseUnreachable.
    """
    created: list[str] = []
    dropped: list[str] = []
    moved = 0
    for table in tables:
        for start in _missing(engine, table, now):
            with _short(engine) as connection:
                if _try_lock(connection) and not _covered(connection, table, start):
                    moved += _make(connection, table, start)
                    created.append(_name(table, start))
        for name in _expired(engine, table, now):
            with _short(engine) as connection:
                if _try_lock(connection) and name in {known for known, _, _ in _partitions(connection, table)}:
                    connection.execute(text(f'DROP TABLE "{name}"'))
                    dropped.append(name)
        with _short(engine) as connection:
            statement = f"DELETE FROM {table.table}_default WHERE {table.column} < :horizon"  # noqa: S608 - no user input
            connection.execute(text(statement), {"horizon": _horizon(table, now)})
    return MaintenanceReport(tuple(created), tuple(dropped), moved)


def _missing(engine: Engine, table: Partitioned, now: datetime) -> list[datetime]:
    """Start times of missing partitions: the current and next ones, and those of rows in the default partition."""
    starts = [table.start(now)]
    for _ in range(AHEAD):
        starts.append(table.end(starts[-1]))
    statement = text(
        f"SELECT DISTINCT date_trunc('{table.unit}', {table.column} AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'"  # noqa: S608 - no user input
        f" FROM {table.table}_default WHERE {table.column} >= :horizon"
    )
    with _short(engine) as connection:
        strays: Iterable[datetime] = connection.execute(statement, {"horizon": _horizon(table, now)}).scalars()
        starts_needed = sorted({*starts, *(table.start(stray) for stray in strays)})
        return [start for start in starts_needed if not _covered(connection, table, start)]


def _expired(engine: Engine, table: Partitioned, now: datetime) -> list[str]:
    horizon = _horizon(table, now)
    with _short(engine) as connection:
        return [name for name, _, end in _partitions(connection, table) if end <= horizon]


def _horizon(table: Partitioned, now: datetime) -> datetime:
    return now - timedelta(days=table.keep_days)


@contextmanager
def _short(engine: Engine) -> Iterator[Connection]:
    """A transaction with a short lock timeout."""
    with transaction(engine) as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
        yield connection


def _try_lock(connection: Connection) -> bool:
    """Try to take the maintenance lock of the database until the transaction ends."""
    return bool(connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar())


def _make(connection: Connection, table: Partitioned, start: datetime) -> int:
    """Create a partition and move its rows out of the default one. Returns the number of rows moved.

    ATTACH PARTITION does not block writers of other partitions; CREATE TABLE ... PARTITION OF would.
    """
    name, end = _name(table, start), table.end(start)
    connection.execute(text(f"LOCK TABLE ONLY {table.table} IN SHARE UPDATE EXCLUSIVE MODE"))
    connection.execute(text(f"LOCK TABLE {table.table}_default IN ACCESS EXCLUSIVE MODE"))
    connection.execute(text(f'CREATE TABLE "{name}" (LIKE {table.table} INCLUDING ALL)'))
    statement = text(
        f"WITH moved AS (DELETE FROM {table.table}_default WHERE {table.column} >= :start AND {table.column} < :end"  # noqa: S608 - no user input
        f' RETURNING *) INSERT INTO "{name}" SELECT * FROM moved'
    )
    moved = connection.execute(statement, {"start": start, "end": end}).rowcount
    connection.execute(
        text(
            f'ALTER TABLE {table.table} ATTACH PARTITION "{name}"'
            f" FOR VALUES FROM ('{start:%Y-%m-%d} 00:00:00+00') TO ('{end:%Y-%m-%d} 00:00:00+00')"
        )
    )
    return moved


def _partitions(connection: Connection, table: Partitioned) -> list[tuple[str, datetime | None, datetime]]:
    """Name, start (None: unbounded) and end of every partition except the default one."""
    partitions = []
    for row in connection.execute(query("partitions"), {"table": table.table}):
        if match := _BOUNDS.search(row.bounds):
            first, end = match.groups()
            partitions.append((row.name, datetime.fromisoformat(first) if first else None, datetime.fromisoformat(end)))
    return partitions


def _covered(connection: Connection, table: Partitioned, start: datetime) -> bool:
    return any((first is None or first <= start) and start < end for _, first, end in _partitions(connection, table))


def _name(table: Partitioned, start: datetime) -> str:
    return f"{table.table}_{start:%Y%m%d}"

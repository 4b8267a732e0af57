"""Copies the rows of a shard from one database to another, and then the rows changed since.

Changed rows are found by the transaction that wrote them (xmin): every transaction before a snapshot's xmin had ended,
so the snapshot contains its rows; all other rows are copied again, by key. That may copy a row needlessly, but never
misses one (within 2^31 transactions).
Every copied row is verified: the digest of the rows read must equal the digest of the rows in the target.
"""

# ruff: noqa: S608 -- names come from tables.py and from Postgres's catalog, never from outside

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from storage.errors import BackupError
from storage.moving.tables import IDENTITIES, TABLES, Table

#: Identities kept free for rows that the source writes during the move.
SLACK = 1_000_000

Tell = Callable[[str, int], None]


class CopyDiffers(BackupError):
    """The copy differs from the source. The map was not switched; repeat the move, and report the error."""

    def __init__(self, shard_id: int, table: str) -> None:
        super().__init__(shard_id, table)
        self.shard_id, self.table = shard_id, table

    def __str__(self) -> str:
        return f"The copy of shard {self.shard_id} differs in {self.table}: the shard was not moved; repeat the move."


class SchemasDiffer(BackupError):
    """The two databases have different columns. Upgrade both first."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table

    def __str__(self) -> str:
        return f"The databases differ in the columns of {self.table}: restart the cluster, which upgrades them."


class Copier:
    """Copies one shard. `shifts`: table -> number added to its identities."""

    def __init__(self, shard_id: int, shifts: dict[str, int], limits: dict[str, int], tell: Tell) -> None:
        """`limits`: table -> largest identity that the target keeps free."""
        self._shard_id, self._shifts, self._limits, self._tell = shard_id, shifts, limits, tell

    def everything(self, source: Connection, target: Connection) -> None:
        """Copy all rows of the source's snapshot; the target has no rows of the shard."""
        for table in TABLES:
            self._whole(table, source, target)

    def changes(self, source: Connection, target: Connection, since: int) -> None:
        """Copy the rows that transactions from `since` on may have written, and every table without a key."""
        unkeyed = [table for table in TABLES if table.key is None]
        for table in reversed(unkeyed):
            if table.scope.startswith("user_id"):
                target.execute(text(f"DELETE FROM {table.name} WHERE {table.rows(self._shard_id)}"))
        for table in reversed(unkeyed):
            if not table.scope.startswith("user_id"):
                target.execute(text(f"DELETE FROM {table.name} WHERE {table.rows(self._shard_id)}"))
        for table in TABLES:
            if table.key is None:
                self._whole(table, source, target)
            else:
                self._keyed(table, source, target, since)

    def counted(self, source: Connection, target: Connection) -> None:
        """Raise CopyDiffers unless source and target have the same number of rows in every table."""
        for table in TABLES:
            count_rows = text(f"SELECT count(*) FROM {table.name} WHERE {table.rows(self._shard_id)}")
            if source.execute(count_rows).scalar() != target.execute(count_rows).scalar():
                raise CopyDiffers(self._shard_id, table.name)

    def _whole(self, table: Table, source: Connection, target: Connection) -> None:
        rows = table.rows(self._shard_id)
        columns = _columns(source, target, table)
        self._stream(table, columns, rows, source, target, table.name)
        self._prove(table, columns, source, rows, target, rows)

    def _keyed(self, table: Table, source: Connection, target: Connection, since: int) -> None:
        assert table.key is not None
        columns, keys = _columns(source, target, table), ", ".join(table.key)
        ours = table.rows(self._shard_id)
        written = f"(xmin::text::bigint - {since} % 4294967296 + 4294967296) % 4294967296 < 2147483648"
        rows = f"{ours} AND ({keys}) IN (SELECT {keys} FROM {table.name} WHERE {ours} AND {written})"
        changed = f"moving_{table.name}"
        target.execute(text(f"CREATE TEMP TABLE {changed} (LIKE {table.name}) ON COMMIT DROP"))
        self._stream(table, columns, rows, source, target, changed)
        target.execute(text(f"ANALYZE {changed}"))
        there = f"({keys}) IN (SELECT {keys} FROM {changed})"
        target.execute(text(f"DELETE FROM {table.name} WHERE {there}"))
        names = ", ".join(columns)
        overriding = "OVERRIDING SYSTEM VALUE" if table.name in IDENTITIES else ""
        target.execute(text(f"INSERT INTO {table.name} ({names}) {overriding} SELECT {names} FROM {changed}"))
        self._prove(table, columns, source, rows, target, there)

    def _stream(
        self, table: Table, columns: list[str], rows: str, source: Connection, target: Connection, into: str
    ) -> None:
        identity = IDENTITIES.get(table.name)
        if identity:
            largest = source.execute(text(f"SELECT max({identity}) FROM {table.name} WHERE {rows}")).scalar() or 0
            if largest > self._limits[table.name]:
                raise CopyDiffers(self._shard_id, table.name)
        reading = (
            f"COPY (SELECT {self._shifted(table, columns)} FROM {table.name} WHERE {rows}) TO STDOUT (FORMAT BINARY)"
        )
        writing = f"COPY {into} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
        driver = _driver(source)
        try:
            with driver.cursor() as reader, _driver(target).cursor() as writer:
                with reader.copy(reading) as out, writer.copy(writing) as into_target:
                    for block in out:
                        into_target.write(block)
                copied = max(writer.rowcount, 0)
        except driver.OperationalError as exc:  # SQLAlchemy does not translate the errors of a COPY
            raise OperationalError("COPY", None, exc) from exc
        self._tell(table.name, copied)

    def _shifted(self, table: Table, columns: list[str]) -> str:
        return ", ".join(
            f"{name} + {self._shifts[table.shifted[name]]}::bigint" if name in table.shifted else name
            for name in columns
        )

    def _prove(
        self, table: Table, columns: list[str], source: Connection, rows: str, target: Connection, there: str
    ) -> None:
        digest = "SELECT count(*), coalesce(sum(hashtextextended(ROW({})::text, 0)), 0) FROM {} WHERE {}"
        read = source.execute(text(digest.format(self._shifted(table, columns), table.name, rows).replace(":", r"\:")))
        stands = target.execute(text(digest.format(", ".join(columns), table.name, there).replace(":", r"\:")))
        if tuple(read.one()) != tuple(stands.one()):
            raise CopyDiffers(self._shard_id, table.name)


def clear(connection: Connection, shard_id: int) -> None:
    """Delete all rows of a shard except its lease. Idempotent."""
    by_user = [table for table in TABLES if table.scope.startswith("user_id")]
    for table in (*by_user, *(table for table in reversed(TABLES) if table not in by_user)):
        connection.execute(text(f"DELETE FROM {table.name} WHERE {table.rows(shard_id)}"))


def reserve(source: Connection, target: Connection, shard_id: int) -> tuple[dict[str, int], dict[str, int]]:
    """Reserve identities in the target: the number to add to the shard's, and the largest that fits, by table."""
    shifts, limits = {}, {}
    for table, column in IDENTITIES.items():
        # The owner's new rows are numbered from the source's sequence, wherever the shard's own numbers end.
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        its_own = source.execute(text(f"SELECT {sequence}")).scalar_one()
        drawn = source.execute(text(f"SELECT last_value FROM {its_own}")).scalar() or 0
        rows = next(one for one in TABLES if one.name == table).rows(shard_id)
        low = source.execute(text(f"SELECT min({column}) FROM {table} WHERE {rows}")).scalar() or drawn
        high = drawn
        target.execute(text(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"))  # no insert draws a number meanwhile
        last = target.execute(text(f"SELECT nextval({sequence})")).scalar() or 0
        target.execute(text(f"SELECT setval({sequence}, :last)"), {"last": last + high - low + 1 + SLACK})
        shifts[table], limits[table] = last - low, high + SLACK
    return shifts, limits


def _columns(source: Connection, target: Connection, table: Table) -> list[str]:
    asking = text(
        r"SELECT attname\:\:text FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = '' ORDER BY attname"
    )
    columns = [list(side.execute(asking, {"table": table.name}).scalars()) for side in (source, target)]
    if columns[0] != columns[1]:
        raise SchemasDiffer(table.name)
    return columns[0]


def _driver(connection: Connection) -> Any:
    driver = connection.connection.driver_connection
    assert driver is not None
    return driver

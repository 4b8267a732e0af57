"""Rolls up data that only Postgres has into the archive: label events, messages' states, the shard's small tables.

`SHARD/EPOCH-UUID.rollup` is a ZIP archive of `manifest.json` and Parquet files (TABLES). Every roll-up contains the
small tables completely; `events` and `states` contain only rows newer than the previous roll-up, so that the cost of a
roll-up depends on the changes and not on the total. The suffix keeps the file out of views over `*.parquet`.

No event is skipped. Commits of a shard append events under a share lock of its lease; a roll-up takes its snapshot
while it holds the lease's row exclusively. So every event numbered before the snapshot is in it or was rolled back, and
every later event gets a higher number: the highest number seen is the position. Times cannot be the position, because
now() is the start of a transaction that may commit later; `changed_from` is taken from the oldest running transaction,
and repeated rows are harmless: the newest state of a message counts, and one copy of an event.
Called by the owner of the shard (actors/maintenance.py); blocking.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine

from storage.catalog import leases
from storage.catalog.file_digests import record_digests
from storage.catalog.leases import Lease, LeaseLost
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.files.blobs import LocalBlobs
from storage.files.file_format import written
from storage.segments.file_names import ROLLUP_SUFFIX
from storage.segments.writer import new_name

_TIME = pa.timestamp("us", "UTC")


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


#: The tables of a roll-up: as in the shard's database.
TABLES = {
    "mailboxes": _schema(
        user_id=pa.int64(),
        email=pa.string(),
        phase=pa.string(),
        cursor=pa.int64(),
        pinned=pa.int64(),
        estimate=pa.int64(),
        messages=pa.int64(),
        size_bytes=pa.int64(),
        units=pa.int64(),
        error=pa.string(),
        synced_at=_TIME,
        resume=pa.string(),
        listed_at=_TIME,
    ),
    "labels": _schema(
        user_id=pa.int64(),
        label_id=pa.string(),
        name=pa.string(),
        type=pa.string(),
        visibility=pa.string(),  # since 0.2.0, as color
        color=pa.string(),
    ),
    "failed": _schema(
        user_id=pa.int64(),
        message_id=pa.int64(),
        attempts=pa.int32(),
        error=pa.string(),
        not_before=_TIME,
        first_at=_TIME,
    ),
    "segments": _schema(segment_id=pa.int64(), name=pa.string(), created_at=_TIME, excluded=pa.string()),
    "events": _schema(
        user_id=pa.int64(),
        message_id=pa.int64(),
        label_id=pa.string(),
        is_on=pa.bool_(),
        history_id=pa.int64(),
        observed_at=_TIME,
        event_id=pa.int64(),  # in the database of origin
    ),
    "states": _schema(
        user_id=pa.int64(),
        message_id=pa.int64(),
        history_id=pa.int64(),
        labels=pa.list_(pa.string()),  # null: as in the segment's file
        stored_at=_TIME,
        changed_at=_TIME,
        deleted_at=_TIME,
    ),
}
#: Columns that roll-ups of earlier versions lack, with the values that stand for them.
ADDED_COLUMNS: dict[str, dict[str, object]] = {"labels": {"visibility": "", "color": ""}}
_SMALL = ("mailboxes", "labels", "failed", "segments")
#: Columns of mailboxes that every poll of Gmail changes: not a reason for a roll-up.
_RESTLESS = ("synced_at", "units")
_ROWS = 20_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
#: Bytes of a roll-up that stay in memory while it is written.
_IN_MEMORY = 8 << 20


@dataclass(frozen=True, slots=True)
class RolledUp:
    """A written roll-up. events, states: number of new rows, repeated rows included."""

    name: str
    number: int
    events: int
    states: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class _Last:
    """Where the previous roll-up ended."""

    number: int = 0
    event_id: int = 0
    changed_from: datetime = _BEGINNING
    fingerprint: bytes = b""


def roll_up(engine: Engine, blobs: LocalBlobs, lease: Lease) -> RolledUp | None:
    """Write a shard's new rows into one file and record it; None when there are none.

    A file whose record is not committed is still valid; the next roll-up contains its rows again.

    Raises:
        LeaseLost: the epoch is over.
        DatabaseUnreachable: nothing is lost; retry.
    """
    last = _last(engine, lease.shard_id)
    with transaction(engine) as snapshot, tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        horizon = _begin(engine, snapshot, lease)
        small = {name: _read(snapshot, name, shard_id=lease.shard_id) for name in _SMALL}
        fingerprint = _fingerprint(small)
        contents = _Contents(spool, snapshot, lease.shard_id, last)
        with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as archive:
            contents.pack(archive, small)
            if not contents.events and fingerprint == last.fingerprint:
                return None
            document = {
                "version": written("rollup"),
                "shard_id": lease.shard_id,
                "epoch": lease.epoch,
                "number": last.number + 1,
                "event_id": contents.event_id,
                "changed_from": horizon.isoformat(),
                "made_at": datetime.now(UTC).isoformat(),
            }
            archive.writestr("manifest.json", orjson.dumps(document, option=orjson.OPT_INDENT_2))
        name = new_name(lease.shard_id, lease.epoch)
        spool.seek(0)
        file = blobs.put_digested(name + ROLLUP_SUFFIX, iter(lambda: spool.read(1 << 20), b""))
    with transaction(engine) as connection:
        leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
        connection.execute(
            query("rollup_insert"),
            {
                "shard_id": lease.shard_id,
                "number": last.number + 1,
                "name": name,
                "event_id": contents.event_id,
                "changed_from": horizon,
                "fingerprint": fingerprint,
            },
        )
        record_digests(connection, lease.shard_id, [file])
    return RolledUp(name, last.number + 1, contents.events, contents.states, file.size_bytes)


def _last(engine: Engine, shard_id: int) -> _Last:
    with transaction(engine) as connection:
        row = connection.execute(query("rollup_last"), {"shard_id": shard_id}).first()
    return _Last(row.number, row.event_id, row.changed_from, bytes(row.fingerprint)) if row else _Last()


def _begin(engine: Engine, snapshot: Connection, lease: Lease) -> datetime:
    """Take the snapshot at a time without running commits of the shard; commits wait only until it is taken."""
    with transaction(engine) as holding:
        values = {"shard_id": lease.shard_id, "owner": lease.owner, "epoch": lease.epoch}
        if holding.execute(query("rollup_hold"), values).first() is None:
            raise LeaseLost(lease.shard_id, lease.epoch)
        horizon: datetime = holding.execute(query("rollup_horizon")).scalar_one()
        snapshot.execute(query("one_snapshot"))
        snapshot.execute(query("transaction_time"))  # the first query takes the snapshot
    return horizon


class _Contents:
    """Contents of one file, counted while written."""

    def __init__(self, spool: IO[bytes], snapshot: Connection, shard_id: int, last: _Last) -> None:
        self._spool, self._snapshot, self._shard_id, self._last = spool, snapshot, shard_id, last
        self.event_id, self.events, self.states = last.event_id, 0, 0

    def pack(self, archive: zipfile.ZipFile, small: dict[str, pa.Table]) -> None:
        """Write all tables."""
        for name, table in small.items():
            self._write(archive, name, iter([table]))
        self.events = self._write(archive, "events", self._watched())
        values = {"shard_id": self._shard_id, "since": self._last.changed_from}
        self.states = self._write(archive, "states", _stream(self._snapshot, "states", **values))

    def _watched(self) -> Iterator[pa.Table]:
        for table in _stream(self._snapshot, "events", shard_id=self._shard_id, event_id=self._last.event_id):
            self.event_id = table["event_id"][-1].as_py()
            yield table

    def _write(self, archive: zipfile.ZipFile, name: str, tables: Iterator[pa.Table]) -> int:
        rows = 0
        with (
            archive.open(f"{name}.parquet", "w", force_zip64=True) as file,
            pq.ParquetWriter(file, TABLES[name], compression="zstd") as writer,
        ):
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
        return rows


def _read(connection: Connection, name: str, **values: Any) -> pa.Table:
    return pa.concat_tables([TABLES[name].empty_table(), *_stream(connection, name, **values)])


def _stream(connection: Connection, name: str, **values: Any) -> Iterator[pa.Table]:
    rows = connection.execution_options(yield_per=_ROWS).execute(query(f"rollup_{name}"), values)
    for part in rows.partitions():
        columns = zip(*part, strict=True)
        schema = TABLES[name]
        yield pa.table(
            [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
        )


def _fingerprint(small: dict[str, pa.Table]) -> bytes:
    if not any(table.num_rows for table in small.values()):
        return b""
    digest = hashlib.sha256()
    for name, table in small.items():
        kept = table.drop_columns(list(_RESTLESS)) if name == "mailboxes" else table
        digest.update(orjson.dumps([name, kept.to_pylist()]))
    return digest.digest()

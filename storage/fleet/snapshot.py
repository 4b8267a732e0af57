"""A consistent snapshot of one shard database as of a time: segments, messages' states, label events.

For operators' work on the whole archive; users' requests do not use it. Blocking: call it from a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, Engine, TextClause, text

from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.mailbox.as_of import as_of_query

STATES = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("thread_id", pa.int64(), nullable=False),  # the segment's file may name a wrong one, mended since
        pa.field("labels", pa.list_(pa.string()), nullable=False),  # label ids as of the time
        pa.field("deleted_at", pa.timestamp("us", "UTC")),  # null: not deleted as of the time
        pa.field("stored_at", pa.timestamp("us", "UTC"), nullable=False),  # start of the commit that stored the message
    ]
)
EVENTS = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("label_id", pa.string(), nullable=False),  # "\\Deleted" (records.DELETED): the message itself
        pa.field("is_on", pa.bool_(), nullable=False),
        pa.field("history_id", pa.int64(), nullable=False),  # the order of a message's events
        pa.field("observed_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
_STREAM_ROWS = 50_000
#: Milliseconds that a snapshot's transaction may be idle: one hour.
_IDLE_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A committed segment. `name`: file name without suffix."""

    name: str
    messages: int
    size_bytes: int


class Snapshot:
    """One shard database as one transaction sees it. Created by `read_snapshot`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def segments(self) -> list[StoredSegment]:
        """Every segment, oldest first."""
        return [StoredSegment(*row) for row in self._connection.execute(query("segments_all"))]

    def states(self, as_of: datetime) -> Iterator[pa.Table]:
        """The state of every message as of a time (STATES), in no order, in batches."""
        return self._stream(as_of_query("states_all", as_of), {"as_of": as_of}, STATES)

    def events(self, until: datetime) -> Iterator[pa.Table]:
        """The label events up to a time (EVENTS), in no order, in batches."""
        return self._stream(query("label_events_all"), {"until": until}, EVENTS)

    def present(self) -> datetime:
        """When this snapshot was taken, by the database's clock."""
        at: datetime = self._connection.execute(query("transaction_time")).scalar_one()
        return at

    def _stream(self, statement: TextClause, values: dict[str, datetime], schema: pa.Schema) -> Iterator[pa.Table]:
        stream = self._connection.execution_options(yield_per=_STREAM_ROWS)
        for part in stream.execute(statement, values).partitions():
            columns = zip(*part, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            yield pa.table(arrays, schema=schema)


@contextmanager
def read_snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Take a snapshot of a shard database; its results are consistent, regardless of concurrent commits.

    Raises:
        DatabaseUnreachable.
    """
    with transaction(engine) as connection:
        connection.execute(query("one_snapshot"))
        # The caller reads many files between two queries.
        connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {_IDLE_MS}"))
        yield Snapshot(connection)

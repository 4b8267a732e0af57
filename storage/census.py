"""All mailboxes of one shard database at a moment: their files and what every message carries.

For what operators do with the whole archive; no request of a user's comes here. Blocking: call it from a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, Engine

from storage import moments
from storage.databases import transaction
from storage.queries import query

STATES = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("labels", pa.list_(pa.string()), nullable=False),  # label ids at the moment
        pa.field("deleted_at", pa.timestamp("us", "UTC")),  # null: not deleted at the moment
    ]
)
_STREAM_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment that is committed. `name`: of its files, without their endings."""

    name: str
    messages: int
    size_bytes: int


class Census:
    """One shard database as one transaction sees it. Made by `census`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def segments(self) -> list[StoredSegment]:
        """Every segment, oldest first."""
        return [StoredSegment(*row) for row in self._connection.execute(query("segments_all"))]

    def states(self, as_of: datetime | None) -> Iterator[pa.Table]:
        """What every message carries (STATES), now or at a moment, in no order, in parts."""
        stream = self._connection.execution_options(yield_per=_STREAM_ROWS)
        rows = stream.execute(moments.query("states_all", as_of), moments.values(as_of))
        for part in rows.partitions():
            columns = zip(*part, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, STATES, strict=True)]
            yield pa.table(arrays, schema=STATES)


@contextmanager
def census(engine: Engine) -> Iterator[Census]:
    """A look at a whole shard database: whatever is committed meanwhile, its answers fit together.

    Raises:
        DatabaseUnreachable.
    """
    with transaction(engine) as connection:
        connection.execute(query("one_snapshot"))
        yield Census(connection)

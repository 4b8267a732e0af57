"""Compares the message index with the files, one mailbox at a time; and lists what is to be verified."""

from array import array
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine

from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.files.raw_file import RAW_INDEX
from storage.verification.segments import SegmentRow

#: Messages that are compared at a time.
_ROWS = 10_000
_PLACES = [name for name in RAW_INDEX.names if name not in ("user_id", "message_id")]


@dataclass(slots=True)
class Compared:
    """Messages of one mailbox in one segment. agree: number of rows of the index that say what the files say.

    differ: messages of which it says something else; unknown: messages that it lacks.
    """

    agree: int = 0
    differ: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


def live_segments(connection: Connection, shard_id: int, user_id: int | None) -> list[SegmentRow]:
    """The live segments of a shard, oldest first. user_id: only those with mail of this user."""
    if user_id is None:
        rows = connection.execute(query("segments_to_verify"), {"shard_id": shard_id})
    else:
        rows = connection.execute(query("segments_to_verify_of_user"), {"user_id": user_id})
    return [SegmentRow(*row) for row in rows]


def index_sizes(connection: Connection, user_ids: Collection[int]) -> dict[int, int]:
    """Per user, the number of messages in the index."""
    return {
        user_id: connection.execute(query("index_size_of_user"), {"user_id": user_id}).scalar_one()
        for user_id in user_ids
    }


def compare(engine: Engine, segment: str, user_id: int, keys: pa.Table) -> Compared:
    """Compare a user's messages of a segment's files (RAW_INDEX) with the index."""
    compared = Compared()
    for start in range(0, keys.num_rows, _ROWS):
        part = keys.slice(start, _ROWS)
        ids = part["message_id"].to_pylist()
        with transaction(engine) as connection:
            rows = connection.execute(query("index_of_messages"), {"user_id": user_id, "message_ids": ids})
            known = {row.message_id: (row.segment, *(getattr(row, name) for name in _PLACES)) for row in rows}
        for message_id, *place in zip(ids, *(part[name].to_pylist() for name in _PLACES), strict=True):
            there = known.get(message_id)
            if there is None:
                compared.unknown.append(message_id)
            elif there[0] == segment and [*there[1:-1], bytes(there[-1])] == place:
                compared.agree += 1
            else:
                compared.differ.append(message_id)
    return compared


def indexed(engine: Engine, segment: str, user_ids: Collection[int]) -> pa.Table:
    """RAW_INDEX of a segment as the message index has it: reads all rows of these users."""
    tables = [RAW_INDEX.empty_table()]
    for user_id in user_ids:
        for ids in _batches(_ids_by_segment(engine, user_id).get(segment, array("q"))):
            with transaction(engine) as connection:
                rows = connection.execute(query("index_of_messages"), {"user_id": user_id, "message_ids": ids}).all()
            columns = [[user_id] * len(rows), *([getattr(row, name) for row in rows] for name in RAW_INDEX.names[1:])]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, RAW_INDEX, strict=True)]
            tables.append(pa.table(arrays, schema=RAW_INDEX))
    return pa.concat_tables(tables)


def without_file(engine: Engine, user_id: int, files: Mapping[str, pa.Array]) -> Iterator[tuple[str | None, int]]:
    """(segment, message) of the index's rows that no file has.

    Args:
        files: segment -> the ids of the user's messages in its files.
    """
    for segment, ids in _ids_by_segment(engine, user_id).items():
        there = files.get(segment or "")
        mine = pa.array(ids, pa.int64())
        lost = mine if there is None else mine.filter(pc.invert(pc.is_in(mine, there)))
        yield from ((segment, message_id) for message_id in lost.to_pylist())


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database."""
    with transaction(engine) as connection:
        connection.execute(query("one_snapshot"))
        yield connection


def _ids_by_segment(engine: Engine, user_id: int) -> "dict[str | None, array[int]]":
    found: dict[str | None, array[int]] = {}
    with transaction(engine) as connection:
        streaming = connection.execution_options(yield_per=_ROWS)
        for row in streaming.execute(query("index_of_user"), {"user_id": user_id}):
            found.setdefault(row.segment, array("q")).append(row.message_id)
    return found


def _batches(ids: "array[int]") -> Iterator[list[int]]:
    for start in range(0, len(ids), _ROWS):
        yield list(ids[start : start + _ROWS])

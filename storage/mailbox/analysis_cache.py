"""Reads the analysis of single messages, with a cache of row groups: reading one takes 10 ms, and neighbours share it.

Row groups are cached under the unique name of their file, which never changes; a row is found by its user and id.
Thread-safe; blocking.
"""

from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.files.blobs import LocalBlobs
from storage.files.bounded_cache import BoundedCache
from storage.segments import analysis_file

#: Limit of the cached row groups, in bytes of memory; a row group of 4,000 messages has about 2 MB.
_KEPT_BYTES = 32 << 20


class AnalysisCache:
    """Row groups of analysis files."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept: BoundedCache[tuple[str, int], pa.Table] = BoundedCache(kept_bytes, lambda table: table.nbytes)

    def row(self, blobs: LocalBlobs, name: str, user_id: int, message_id: int) -> dict[str, Any] | None:
        """The results of every analyser for a user's message; None: the file does not have the message.

        Raises:
            FileMissing, FileDamaged.
        """
        location = blobs.location(name)
        for key in self._kept.cached():
            table = self._kept.get(key) if key[0] == location else None
            if table is not None and (row := _row(table, user_id, message_id)) is not None:
                return row
        with analysis_file.opened(blobs, name) as parquet:
            for group in groups_of(parquet, user_id, message_id):
                keys = parquet.read_row_group(group, columns=analysis_file.KEYS.names, use_threads=False)
                if _place(keys, user_id, message_id) >= 0:
                    table = parquet.read_row_group(group, use_threads=False)
                    self._kept.keep((location, group), table)
                    return _row(table, user_id, message_id)
        return None


def groups_of(parquet: pq.ParquetFile, user_id: int, message_id: int | None = None) -> list[int]:
    """The row groups of an analysis file that may contain this user's rows, or the row of a message."""
    groups = []
    for number in range(parquet.num_row_groups):
        group = parquet.metadata.row_group(number)
        users, ids = group.column(0).statistics, group.column(1).statistics
        if users.min <= user_id <= users.max and (message_id is None or ids.min <= message_id <= ids.max):
            groups.append(number)
    return groups


def _place(keys: pa.Table, user_id: int, message_id: int) -> int:
    """The row of a message; -1: there is none."""
    mine = pc.and_(pc.equal(keys["user_id"], user_id), pc.equal(keys["message_id"], message_id))
    return int(pc.index(mine, True).as_py())


def _row(table: pa.Table, user_id: int, message_id: int) -> dict[str, Any] | None:
    place = _place(table, user_id, message_id)
    if place < 0:
        return None
    [row] = table.drop_columns(analysis_file.KEYS.names).slice(place, 1).to_pylist()
    return dict(row)


@cache
def shared() -> AnalysisCache:
    """This process's cache."""
    return AnalysisCache()

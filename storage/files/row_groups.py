"""Reads a few rows of a Parquet file by row group: faster than DuckDB, which examines every row group.

A segment's messages are sorted by user and date, so the statistics of the row groups show which group has a row.
Footers are cached, up to a number of row groups: a file never changes. Safe from any thread; blocking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.files.blobs import FileDamaged, FileMissing
from storage.files.bounded_cache import BoundedCache
from storage.files.file_format import number_of_parquet, require_known

#: Row groups whose statistics are cached: about 25 KB each.
_KEPT_GROUPS = 4000


@dataclass(frozen=True, slots=True)
class _Footer:
    """A file's cached footer. groups: least and greatest user, least and greatest date of each row group."""

    metadata: pq.FileMetaData
    groups: tuple[tuple[int, int, datetime, datetime], ...]

    def of(self, user_id: int, times: Sequence[datetime]) -> list[int]:
        """The row groups that may contain this user's rows of these dates."""
        return [
            number
            for number, (first_user, last_user, first_at, last_at) in enumerate(self.groups)
            if first_user <= user_id <= last_user and any(first_at <= moment <= last_at for moment in times)
        ]


class RowGroups:
    """Reads rows by user, date and id."""

    def __init__(self, kept_groups: int = _KEPT_GROUPS) -> None:
        self._footers: BoundedCache[str, _Footer] = BoundedCache(kept_groups, lambda footer: len(footer.groups))

    def count(self, file: str, user_id: int, times: Sequence[datetime]) -> int:
        """Number of row groups to read for this user's rows of these dates. Raises as `rows`."""
        return len(self._footer(file).of(user_id, times))

    def rows(
        self, file: str, user_id: int, message_ids: Sequence[int], times: Sequence[datetime], columns: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of these messages of one user, in the file's order.

        Args:
            moments: dates at which the messages were received, in any order.
            columns: pyarrow's column names; a nested column by its path.

        Raises:
            FileMissing, FileDamaged.
        """
        footer = self._footer(file)
        groups = footer.of(user_id, times)
        if not groups:
            return []
        try:
            with pa.OSFile(file) as source:
                parquet = pq.ParquetFile(source, metadata=footer.metadata, page_checksum_verification=True)
                keys = parquet.read_row_groups(groups, columns=["user_id", "message_id"], use_threads=False)
                mine = pc.and_(pc.equal(keys["user_id"], user_id), pc.is_in(keys["message_id"], pa.array(message_ids)))
                table = parquet.read_row_groups(groups, columns=["message_id", *columns], use_threads=False)
        except FileNotFoundError as exc:
            raise FileMissing(file, "it is missing") from exc
        except (OSError, pa.ArrowException) as exc:
            raise FileDamaged(file, "it is not the Parquet that was written") from exc
        rows: list[dict[str, Any]] = table.filter(mine).to_pylist()
        return rows

    def _footer(self, file: str) -> _Footer:
        footer = self._footers.get(file)
        if footer is None:
            footer = _read_footer(file)
            self._footers.keep(file, footer)
        return footer


def _read_footer(file: str) -> _Footer:
    if not Path(file).exists():
        raise FileMissing(file, "it is missing")
    try:
        metadata = pq.read_metadata(file)
        require_known(file, "messages", number_of_parquet(metadata.metadata))
        names = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        user, date = names.index("user_id"), names.index("received_at")
        groups = tuple(_bounds(metadata.row_group(number), user, date) for number in range(metadata.num_row_groups))
    except (OSError, ValueError, pa.ArrowException) as exc:
        raise FileDamaged(file, "it is not the Parquet that was written") from exc
    return _Footer(metadata, groups)


def _bounds(group: pq.RowGroupMetaData, user: int, date: int) -> tuple[int, int, datetime, datetime]:
    users, dates = group.column(user).statistics, group.column(date).statistics
    return users.min, users.max, dates.min, dates.max


@cache
def shared() -> RowGroups:
    """This process's cache."""
    return RowGroups()

"""One user's segment files: their names, DuckDB queries over their Parquet, and searches of their splits.

Compaction merges files and deletes them after a grace period. A query that takes longer finds a file missing and starts
again with the current file names (`retry_on_missing_file`). Blocking: call it from a thread.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa

from storage.db.engines import Source, transaction
from storage.db.sql_files import duckdb_sql, fill, query
from storage.files import duckdb_engine, row_groups
from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.fulltext import search, summary_cache
from storage.fulltext.cache import SplitCache
from storage.fulltext.search import SegmentFile
from storage.fulltext.split import Hit, Split, SplitQuery
from storage.mailbox.texts import HERE, Texts
from storage.model.message_id import to_hex
from storage.model.results import PageCursor
from storage.query.conditions import Condition
from storage.replication.routing import ReplicaLost
from storage.segments.file_names import PARQUET_SUFFIX, SPLIT_SUFFIX

T = TypeVar("T")


def retry_on_missing_file(ask: Callable[[], T]) -> T:
    """Run a query that begins by listing files; retry once if a file is gone, and on the primary if a replica cancels
    the query.

    Raises:
        FileMissing: a file is gone in the second attempt too, so the archive has lost it.
    """
    try:
        return ask()
    except (FileMissing, ReplicaLost):
        return ask()


#: Most row groups that a list reads directly: beyond that DuckDB is faster.
_FEW_GROUPS = 4
#: The columns of a list; of attachments one field, to see whether there are any.
_SUMMARY_COLUMNS = ("from", "to", "cc", "subject", "snippet", "defects", "attachments.list.element.part")


def _times_of(rows: Sequence[Mapping[str, Any]]) -> list[datetime]:
    return [row["received_at"] for row in rows]


class MailFiles:
    """The files with mail of one user."""

    def __init__(
        self, user_id: int, engine: Source, blobs: LocalBlobs, splits: SplitCache, texts: Texts = HERE
    ) -> None:
        """`texts`: reads what strangers wrote."""
        self._user_id, self._engine, self._blobs, self._splits = user_id, engine, blobs, splits
        self.texts = texts

    def names(self, first_at: datetime, last_at: datetime) -> list[str]:
        """The Parquet files with mail of this user in a time range, newest first."""
        return [file.name + PARQUET_SUFFIX for file in self.segments(first_at, last_at)]

    def places(self, files: Sequence[str]) -> dict[str, str]:
        """DuckDB's paths of files -> their names."""
        return {self._blobs.location(file): file for file in files}

    def segments(self, first_at: datetime, last_at: datetime) -> list[SegmentFile]:
        """The segments with mail of this user in a time range, newest first."""
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "first_at": first_at, "last_at": last_at}
            return [SegmentFile(*row) for row in connection.execute(query("segments_of_user"), values)]

    def hits(
        self, segments: Sequence[SegmentFile], words: Condition, start: PageCursor, after_at: datetime, limit: int
    ) -> tuple[list[Hit], list[SegmentFile]]:
        """The next messages of this user in the splits, newest first, and the segments without a split.

        Args:
            words: a filter of storage/query/wordfilter.py.
            start, after_at: only messages after this position and received at this time or later.
        """
        split_query = SplitQuery(self._user_id, words, start, after_at)
        return search.newest(segments, self._split, self._refuse, split_query, limit)

    def best(
        self, segments: Sequence[SegmentFile], words: Condition, start: PageCursor, after_at: datetime, limit: int
    ) -> tuple[list[Hit], list[SegmentFile]]:
        """The most relevant messages of this user in the splits, best first. Otherwise as `hits`."""
        split_query = SplitQuery(self._user_id, words, start, after_at)
        return search.best(segments, self._split, self._refuse, split_query, limit)

    def _split(self, segment: SegmentFile) -> Split | None:
        name = segment.name + SPLIT_SUFFIX
        return self._splits.open(name, segment.words_bytes or 0, partial(self._blobs.read, name))

    def _refuse(self, segment: SegmentFile, reason: FileDamaged) -> None:
        self._splits.refuse(segment.name + SPLIT_SUFFIX, reason)

    def summaries(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The list columns of messages, in the order of `rows`.

        They come from the summaries beside the word index; for segments without these, from Parquet: few row groups
        are read directly; with many, DuckDB skips what need not be decompressed.

        Args:
            rows: of the message index: message_id, received_at, segment.

        Raises:
            FileDamaged: a file is damaged or lacks a message.
        """
        by_segment: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_segment.setdefault(row["segment"], []).append(row)
        content: dict[int, dict[str, Any]] = {}
        for segment, members in by_segment.items():
            ids = [row["message_id"] for row in members]
            content |= summary_cache.shared().rows(self._blobs, segment + SPLIT_SUFFIX, self._user_id, ids)
        if without := [row for row in rows if row["message_id"] not in content]:
            content |= self._from_parquet(without)
        for row in rows:
            if row["message_id"] not in content:
                name = row["segment"] + PARQUET_SUFFIX
                raise FileDamaged(name, f"message {to_hex(row['message_id'])} is not in it")
        return [content[row["message_id"]] for row in rows]

    def _from_parquet(self, rows: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
        """The list columns of messages that have no summary, by id."""
        by_file: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_file.setdefault(row["segment"] + PARQUET_SUFFIX, []).append(row)
        groups = sum(self._groups_of(file, _times_of(members)) for file, members in by_file.items())
        content: dict[int, dict[str, Any]] = {}
        if groups <= _FEW_GROUPS:
            for file, members in by_file.items():
                content |= {columns["message_id"]: columns for columns in self._direct(file, members)}
            return content
        times = _times_of(rows)
        values = {
            "message_ids": [row["message_id"] for row in rows],
            "first_at": min(times),
            "last_at": max(times),
        }
        return {columns["message_id"]: columns for columns in self.rows("summaries", sorted(by_file), values)}

    def _groups_of(self, file: str, times: Sequence[datetime]) -> int:
        with self._naming(file):
            return row_groups.shared().count(self._blobs.location(file), self._user_id, times)

    def _direct(self, file: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        ids = [row["message_id"] for row in rows]
        with self._naming(file):
            rows_read = row_groups.shared().rows(
                self._blobs.location(file), self._user_id, ids, _times_of(rows), _SUMMARY_COLUMNS
            )
        return [{**row, "has_attachment": bool(row["attachments"])} for row in rows_read]

    @contextmanager
    def _naming(self, file: str) -> Iterator[None]:
        """Report damage under the file's name in the archive."""
        try:
            yield
        except FileDamaged as exc:
            raise type(exc)(file, exc.reason) from exc

    def rows(
        self,
        question: str,
        files: Sequence[str],
        values: Mapping[str, object],
        parts: Mapping[str, str] | None = None,
        tables: Mapping[str, pa.Table] | None = None,
    ) -> list[dict[str, Any]]:
        """Run storage/db/sql/duckdb/QUESTION.sql over files, bound to the user; without files, no rows.

        Args:
            parts: SQL for the template's {names}; never any text of a request.
            tables: further tables that the query reads.

        Raises:
            FileDamaged.
        """
        return self.table(question, files, values, parts, tables).to_pylist() if files else []

    def table(
        self,
        question: str,
        files: Sequence[str],
        values: Mapping[str, object],
        parts: Mapping[str, str] | None = None,
        tables: Mapping[str, pa.Table] | None = None,
        most_bytes: int | None = None,
    ) -> pa.Table:
        """The same over at least one file, as Arrow.

        Raises:
            FileDamaged.
            TableTooLarge: the result exceeds `most_bytes`.
        """
        statement = fill(duckdb_sql(question), **(parts or {}))
        names = self.places(files)
        try:
            return duckdb_engine.ask(statement, list(names), {**values, "user_id": self._user_id}, tables, most_bytes)
        except FileDamaged as exc:
            raise type(exc)(names[exc.name], exc.reason) from exc

"""Reads analysers' results for one user's mail: for one message, and as a table for DuckDB to join with messages.

Every query is bound to the user's id. The catalog names the files; their columns may differ
(storage/segments/analysis_file.py). Blocking: call it from a thread.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.bounded_table import TableTooLarge
from storage.mailbox import analysis_cache
from storage.mailbox.segment_files import retry_on_missing_file
from storage.model.time_range import EARLIEST, LATEST
from storage.segments import analysis_file


class Analyses:
    """Reads the analyses of one user's mail."""

    def __init__(self, user_id: int, engine: Source, blobs: LocalBlobs) -> None:
        self._user_id, self._engine, self._blobs = user_id, engine, blobs

    def of(self, message_id: int) -> dict[str, dict[str, Any]] | None:
        """Analyser -> its version, its error if it failed, and its fields; None: the message was not analysed.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return retry_on_missing_file(lambda: self._of(message_id))

    def in_file(self, name: str | None, message_id: int) -> dict[str, dict[str, Any]] | None:
        """The same, of a message whose analysis is in the file `name`; None: it has no analysis.

        Raises:
            FileMissing: the file was merged, or replaced.
            FileDamaged.
        """
        return None if name is None else self._read(name, message_id)

    def _of(self, message_id: int) -> dict[str, dict[str, Any]] | None:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "message_id": message_id}
            name = connection.execute(query("analysis_of_message"), values).scalar()
        return None if name is None else self._read(name, message_id)

    def _read(self, name: str, message_id: int) -> dict[str, dict[str, Any]] | None:
        row = analysis_cache.shared().row(self._blobs, name, self._user_id, message_id)
        if row is None:
            raise FileDamaged(name, f"message {message_id:x} is not in it")
        return _shown(row)

    def table(
        self,
        analysers: Sequence[str] | None = None,
        first_at: datetime = EARLIEST,
        last_at: datetime = LATEST,
        most_bytes: int | None = None,
    ) -> pa.Table:
        """`user_id`, `message_id` and one struct per analyser, for the user's analysed mail, in no order.

        Args:
            analysers: the analysers to read; one without results has no column. None: all.
            first_at, last_at: time range; the result may contain mail of other times as well.
            most_bytes: limit of the whole table.

        Raises:
            FileDamaged, DatabaseUnreachable, TableTooLarge.
        """
        return retry_on_missing_file(lambda: self._table(analysers, first_at, last_at, most_bytes))

    def conformed(self, schema: pa.Schema, first_at: datetime, last_at: datetime) -> pa.Table:
        """The same with `message_id` and exactly the columns and fields of `schema`; missing ones are null.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        table = self.table(schema.names, first_at, last_at)
        whole = analysis_file.conformed(table, schema) if schema.names else table
        return whole.append_column("message_id", table["message_id"])

    def _table(
        self, analysers: Sequence[str] | None, first_at: datetime, last_at: datetime, most_bytes: int | None
    ) -> pa.Table:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "first_at": first_at, "last_at": last_at}
            names = list(connection.execute(query("analyses_of_user"), values).scalars())
        read, size = [], 0
        for name in names:
            read.append(self._rows(name, analysers))
            size += read[-1].nbytes
            if most_bytes is not None and size > most_bytes:
                raise TableTooLarge(most_bytes)
        schema = analysis_file.unified(table.schema for table in read)
        whole = analysis_file.whole_schema(schema)
        tables = [
            pa.table(
                [*table.select(analysis_file.KEYS.names).columns, *analysis_file.conformed(table, schema).columns],
                whole,
            )
            for table in read
        ]
        return pa.concat_tables(tables) if tables else whole.empty_table()

    def _rows(self, name: str, analysers: Sequence[str] | None) -> pa.Table:
        with analysis_file.opened(self._blobs, name) as parquet:
            has = parquet.schema_arrow.names
            wanted = [column for column in has if analysers is None or column in analysers]
            columns = [
                *analysis_file.KEYS.names,
                *(column for column in wanted if column not in analysis_file.KEYS.names),
            ]
            table = parquet.read_row_groups(
                analysis_cache.groups_of(parquet, self._user_id), columns=columns, use_threads=False
            )
        return table.filter(pc.equal(table["user_id"], self._user_id))


def _shown(row: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, Any]] | None:
    said = {name: dict(fields) for name, fields in row.items() if fields is not None}
    for fields in said.values():
        if fields.get("error", "") is None:
            del fields["error"]
    return said or None

"""Writes mail as Parquet files of bounded size, with the labels as of the export, and a DuckDB view over them.

Columns: `mailbox`, the columns of schemas.MESSAGES without locations, `deleted_at`, `classification`. The exact bytes
are not included (use mbox, eml or maildir); `sha256` identifies them.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.exporting.destination import create_private, write_private
from storage.files.file_format import numbered
from storage.model.results import Stored
from storage.model.schemas import MESSAGES

_PLACES = ("frame_offset", "frame_bytes", "raw_offset")
COLUMNS = pa.schema(
    [
        pa.field("mailbox", pa.string(), nullable=False),  # its address
        *(field for field in MESSAGES if field.name not in _PLACES),  # `labels`: as of the export
        pa.field("deleted_at", pa.timestamp("us", "UTC")),  # when the deletion was observed
        pa.field("classification", pa.string()),  # Gmail's classification labels, JSON; null: it has none
    ]
)
VIEW = """\
-- In this folder: duckdb -init view.sql
CREATE VIEW mail AS SELECT * FROM read_parquet('mail-*.parquet');
"""
#: Rows and bytes of a row group, and bytes of a file; in memory uncompressed, on disk compressed.
_GROUP_ROWS = 10_000
_GROUP_BYTES = 64 << 20
_FILE_BYTES = 512 << 20


class ParquetWriter:
    """Writes mail-00000.parquet and following files in a folder. `close` writes the last rows."""

    def __init__(self, root: Path, file_bytes: int = _FILE_BYTES) -> None:
        self._root, self._file_bytes = root, file_bytes
        self._pending: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._sink: pa.NativeFile | None = None
        self._files = 0

    def add(self, email: str, messages: list[Stored], content: pa.Table) -> None:
        """Add messages of one mailbox with their rows of the archive, in the same order."""
        columns = {name: content[name] for name in COLUMNS.names if name in content.column_names}
        columns["mailbox"] = pa.array([email] * len(messages), pa.string())
        columns["labels"] = pa.array([message.labels for message in messages], COLUMNS.field("labels").type)
        columns["thread_id"] = pa.array([message.thread_id for message in messages], pa.int64())
        columns["deleted_at"] = pa.array([message.deleted_at for message in messages], pa.timestamp("us", "UTC"))
        columns["classification"] = pa.array([message.classification or None for message in messages], pa.string())
        self._pending.append(pa.table([columns[name] for name in COLUMNS.names], schema=COLUMNS))
        rows = sum(table.num_rows for table in self._pending)
        if rows >= _GROUP_ROWS or sum(table.nbytes for table in self._pending) >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows and the view. An empty export gets one empty file, so that the view works."""
        if self._pending or not self._files:
            self._flush()
        self._end_file()
        write_private(self._root / "view.sql", VIEW.encode())

    def _flush(self) -> None:
        if self._writer is None:
            self._sink = pa.OSFile(create_private(self._root / f"mail-{self._files:05d}.parquet"), "wb")
            self._writer = pq.ParquetWriter(
                self._sink,
                numbered(COLUMNS, "export"),
                compression="zstd",
                compression_level=3,
                write_page_checksum=True,
            )
            self._files += 1
        table = pa.concat_tables(self._pending) if self._pending else COLUMNS.empty_table()
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        self._pending.clear()
        assert self._sink is not None
        if self._sink.tell() >= self._file_bytes:
            self._end_file()

    def _end_file(self) -> None:
        if self._writer is not None and self._sink is not None:
            self._writer.close()
            self._sink.close()
            self._writer = self._sink = None

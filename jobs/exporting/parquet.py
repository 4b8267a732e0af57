"""Mail as Parquet files of bounded size, with the labels of the export's moment, and a view over them for DuckDB.

Columns: `mailbox`, those of storage/schemas.MESSAGES but where the raw bytes lie, and `deleted_at`. The exact bytes
are not in it (mbox, eml and maildir have them); `sha256` names them.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from storage.files.file_format import numbered
from storage.model.results import Stored
from storage.model.schemas import MESSAGES

_PLACES = ("frame_offset", "frame_bytes", "raw_offset")
COLUMNS = pa.schema(
    [
        pa.field("mailbox", pa.string(), nullable=False),  # its address
        *(field for field in MESSAGES if field.name not in _PLACES),  # `labels`: those of the moment
        pa.field("deleted_at", pa.timestamp("us", "UTC")),  # when its deletion was seen
    ]
)
VIEW = """\
-- In this folder: duckdb -init view.sql
CREATE VIEW mail AS SELECT * FROM read_parquet('mail-*.parquet');
"""
#: Rows and bytes of a row group, and bytes of a file, uncompressed in memory and compressed on disk.
_GROUP_ROWS = 10_000
_GROUP_BYTES = 64 << 20
_FILE_BYTES = 512 << 20


class ParquetWriter:
    """Writes mail-00000.parquet and on below a folder. Close it for the last rows to be written."""

    def __init__(self, root: Path, file_bytes: int = _FILE_BYTES) -> None:
        self._root, self._file_bytes = root, file_bytes
        self._pending: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._sink: pa.NativeFile | None = None
        self._files = 0

    def add(self, email: str, messages: list[Stored], content: pa.Table) -> None:
        """Messages of one mailbox, and the archive's columns of exactly these, row by row."""
        columns = {name: content[name] for name in COLUMNS.names if name in content.column_names}
        columns["mailbox"] = pa.array([email] * len(messages), pa.string())
        columns["labels"] = pa.array([message.labels for message in messages], COLUMNS.field("labels").type)
        columns["deleted_at"] = pa.array([message.deleted_at for message in messages], pa.timestamp("us", "UTC"))
        self._pending.append(pa.table([columns[name] for name in COLUMNS.names], schema=COLUMNS))
        rows = sum(table.num_rows for table in self._pending)
        if rows >= _GROUP_ROWS or sum(table.nbytes for table in self._pending) >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the view. An export of nothing has one file of no rows, so that the view works."""
        if self._pending or not self._files:
            self._flush()
        self._end_file()
        (self._root / "view.sql").write_text(VIEW)

    def _flush(self) -> None:
        if self._writer is None:
            self._sink = pa.OSFile(str(self._root / f"mail-{self._files:05d}.parquet"), "wb")
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

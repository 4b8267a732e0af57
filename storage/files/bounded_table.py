"""Concatenates batches into one table, up to a limit of bytes."""

from collections.abc import Iterable

import pyarrow as pa

from storage.errors import BackupError


class TableTooLarge(BackupError):
    """The table is larger than the reader's limit. Read fewer columns, or less mail."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self.most_bytes = most_bytes

    def __str__(self) -> str:
        return f"The result is larger than {self.most_bytes:,} bytes: select fewer columns, or less mail."


def whole(pieces: Iterable[pa.RecordBatch | pa.Table], schema: pa.Schema, most_bytes: int | None) -> pa.Table:
    """Concatenate all pieces. most_bytes: limit of the total; None: no limit.

    Raises:
        TableTooLarge: raised at the first piece that exceeds the limit; later pieces are not read.
    """
    taken, size = [schema.empty_table()], 0
    for piece in pieces:
        size += piece.nbytes
        if most_bytes is not None and size > most_bytes:
            raise TableTooLarge(most_bytes)
        taken.append(pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece)
    return pa.concat_tables(taken)

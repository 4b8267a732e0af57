"""Tables that come in pieces, given up as soon as they are larger than their reader has room for."""

from collections.abc import Iterable

import pyarrow as pa

from storage.errors import BackupError


class TableTooLarge(BackupError):
    """What is read is larger than there is room for. Read fewer columns, or less mail."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self.most_bytes = most_bytes

    def __str__(self) -> str:
        return f"That is more than {self.most_bytes:,} bytes: ask for fewer columns, or for less mail."


def whole(pieces: Iterable[pa.RecordBatch | pa.Table], schema: pa.Schema, most_bytes: int | None) -> pa.Table:
    """All pieces as one table; most_bytes: of all together, None: as many as there are.

    Raises:
        TableTooLarge: with no piece more in memory than the one that did not fit.
    """
    taken, size = [schema.empty_table()], 0
    for piece in pieces:
        size += piece.nbytes
        if most_bytes is not None and size > most_bytes:
            raise TableTooLarge(most_bytes)
        taken.append(pa.Table.from_batches([piece]) if isinstance(piece, pa.RecordBatch) else piece)
    return pa.concat_tables(taken)

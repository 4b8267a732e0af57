"""A table that is too large is given up before the rest of it is made."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from storage.files.bounded_table import TableTooLarge, whole

SCHEMA = pa.schema([pa.field("n", pa.int64())])


def pieces(made: list[int], of: int) -> Iterator[pa.RecordBatch]:
    for number in range(of):
        made.append(number)
        yield pa.record_batch([pa.array([number] * 10, pa.int64())], schema=SCHEMA)


def test_all_pieces_are_one_table() -> None:
    assert whole(pieces([], 3), SCHEMA, 240)["n"].to_pylist() == [0] * 10 + [1] * 10 + [2] * 10
    assert whole(pieces([], 0), SCHEMA, 0).num_rows == 0
    assert whole(pieces([], 100), SCHEMA, None).num_rows == 1000


def test_nothing_is_made_after_the_piece_that_did_not_fit() -> None:
    made: list[int] = []
    with pytest.raises(TableTooLarge, match="larger than 239 bytes"):
        whole(pieces(made, 100), SCHEMA, 239)
    assert made == [0, 1, 2]

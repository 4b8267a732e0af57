"""storage/mailbox/analysis_cache.py"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.files.blobs import FileMissing, LocalBlobs
from storage.mailbox.analysis_cache import AnalysisCache
from storage.segments.analysis_file import KEYS

#: Messages 0 to 9 of two users, in row groups of four: the third group has both users.
_ROWS = [(user_id, message_id) for user_id in (1, 2) for message_id in range(10)]


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    said = [{"version": 1, "error": None, "said": f"{message_id} of {user_id}"} for user_id, message_id in _ROWS]
    kind = pa.struct([pa.field("version", pa.int16()), pa.field("error", pa.string()), pa.field("said", pa.string())])
    columns = [pa.array(column, pa.int64()) for column in zip(*_ROWS, strict=True)]
    table = pa.table([*columns, pa.array(said, kind)], pa.schema([*KEYS, pa.field("echo", kind)]))
    pq.write_table(table, tmp_path / "a", row_group_size=4)
    return LocalBlobs(tmp_path)


@pytest.mark.parametrize("kept_bytes", [0, 200, 1 << 20])
def test_a_row_is_found_by_user_and_id_whatever_is_cached(blobs: LocalBlobs, kept_bytes: int) -> None:
    cache = AnalysisCache(kept_bytes)
    for _ in range(2):
        for user_id, message_id in _ROWS:
            row = cache.row(blobs, "a", user_id, message_id)
            assert row == {"echo": {"version": 1, "error": None, "said": f"{message_id} of {user_id}"}}
        assert cache.row(blobs, "a", 3, 1) is None
        assert cache.row(blobs, "a", 1, 99) is None
    assert cache._kept.size <= kept_bytes


def test_a_cached_row_group_is_not_read_again(blobs: LocalBlobs, tmp_path: Path) -> None:
    cache = AnalysisCache()
    found = cache.row(blobs, "a", 1, 0)
    (tmp_path / "a").unlink()

    assert cache.row(blobs, "a", 1, 0) == found
    assert cache.row(blobs, "a", 1, 3) is not None
    with pytest.raises(FileMissing):
        cache.row(blobs, "a", 2, 9)

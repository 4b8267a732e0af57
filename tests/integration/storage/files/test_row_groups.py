"""storage/files/row_groups.py"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.files.blobs import FileDamaged, FileMissing
from storage.files.row_groups import RowGroups

_FIRST = datetime(2024, 5, 1, tzinfo=UTC)
#: Rows of each of two users, and of a group: the fourth of seven groups has both.
_ROWS, _GROUP = 35, 10


def _at(number: int) -> datetime:
    return _FIRST + timedelta(hours=number)


@pytest.fixture
def file(tmp_path: Path) -> str:
    keys = [(user, number) for user in (1, 2) for number in range(_ROWS)]
    table = pa.table(
        {
            "user_id": pa.array([user for user, _ in keys], pa.int64()),
            "message_id": pa.array([number for _, number in keys], pa.int64()),
            "received_at": pa.array([_at(number) for _, number in keys], pa.timestamp("ms", "UTC")),
            "subject": [f"{number} of {user}" for user, number in keys],
            "attachments": [[{"part": "2", "filename": "a"}] if number % 2 else [] for _, number in keys],
        }
    )
    path = tmp_path / "messages.parquet"
    pq.write_table(table, path, row_group_size=_GROUP, write_page_checksum=True)
    return str(path)


def _read(groups: RowGroups, file: str, user: int, numbers: list[int]) -> list[str]:
    rows = groups.rows(file, user, numbers, [_at(number) for number in numbers], ["subject"])
    return [str(row["subject"]) for row in rows]


def test_rows_come_in_the_files_order(file: str) -> None:
    assert _read(RowGroups(), file, 1, [31, 2, 12]) == ["2 of 1", "12 of 1", "31 of 1"]


def test_a_group_of_two_users_gives_each_its_own(file: str) -> None:
    groups = RowGroups()

    assert _read(groups, file, 1, [33, 3]) == ["3 of 1", "33 of 1"]
    assert _read(groups, file, 2, [33, 3]) == ["3 of 2", "33 of 2"]
    assert _read(groups, file, 3, [33, 3]) == []


def test_only_groups_that_may_have_the_rows_are_read(file: str) -> None:
    groups = RowGroups()

    assert groups.count(file, 1, [_at(12)]) == 2  # its own, and the one with both users and all dates
    assert groups.count(file, 1, [_at(number) for number in range(_ROWS)]) == 4
    assert groups.count(file, 3, [_at(12)]) == groups.count(file, 1, [_at(900)]) == 0


def test_leaves_of_nested_columns_are_read_by_their_path(file: str) -> None:
    [row] = RowGroups().rows(file, 1, [3], [_at(3)], ["attachments.list.element.part"])

    assert row == {"message_id": 3, "attachments": [{"part": "2"}]}


def test_footers_are_kept_up_to_a_number_of_groups(file: str, tmp_path: Path) -> None:
    groups = RowGroups(kept_groups=10)
    other = tmp_path / "other.parquet"
    other.write_bytes(Path(file).read_bytes())

    for name in (file, str(other), file):
        assert _read(groups, name, 1, [2]) == ["2 of 1"]
    assert groups._footers.cached() == [file]


def test_a_missing_file_and_a_damaged_one_are_told(file: str, tmp_path: Path) -> None:
    groups = RowGroups()
    assert _read(groups, file, 1, [2]) == ["2 of 1"]
    content = bytearray(Path(file).read_bytes())
    content[200] ^= 0xFF
    spoilt = tmp_path / "spoilt.parquet"
    spoilt.write_bytes(content)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(content[:100])
    Path(file).unlink()

    with pytest.raises(FileMissing):
        _read(groups, file, 1, [2])
    with pytest.raises(FileMissing):
        _read(groups, str(tmp_path / "never.parquet"), 1, [2])
    for damaged in (spoilt, cut):
        with pytest.raises(FileDamaged):
            _read(groups, str(damaged), 1, list(range(_ROWS)))

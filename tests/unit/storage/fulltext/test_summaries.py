"""storage/fulltext/summaries.py and summary_cache.py: every message's list columns, and only to its user."""

from pathlib import Path
from random import Random

import pytest

from storage.files.blobs import LocalBlobs
from storage.fulltext import builder, container, summary_cache
from storage.fulltext.summaries import COLUMNS
from storage.fulltext.summary_cache import SummaryCache
from tests.unit.storage.fulltext.made import Made, opened, reading, split, table

#: More than two blocks; ids in no order, two of them of both users.
_MAIL = [
    Made((number * 7919) % 1000, {"subject": (f"about {number}",), "to": (f"to{number}@example.com", "é")}, user_id)
    for user_id, numbers in ((1, range(70)), (2, range(68, 75)))
    for number in numbers
]


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """An archive with the split "a.split" of the messages."""
    (tmp_path / "a.split").write_bytes(split(_MAIL))
    return LocalBlobs(tmp_path)


def _rows(blobs: LocalBlobs, user_id: int, ids: list[int], cache: SummaryCache | None = None) -> dict[int, object]:
    return dict((cache or SummaryCache()).rows(blobs, "a.split", user_id, ids))


def _expected(user_id: int) -> dict[int, object]:
    rows = table([made for made in _MAIL if made.user_id == user_id]).to_pylist()
    return {
        row["message_id"]: {
            "message_id": row["message_id"],
            **{name: row[name] for name in COLUMNS},
            "has_attachment": bool(row["attachments"]),
        }
        for row in rows
    }


@pytest.mark.parametrize("user_id", [1, 2])
def test_every_message_of_a_user_is_summarised_and_none_of_another(blobs: LocalBlobs, user_id: int) -> None:
    asked = [made.message_id for made in _MAIL] + [-1, 999_999]
    Random(1).shuffle(asked)

    assert _rows(blobs, user_id, asked) == _expected(user_id)
    assert _rows(blobs, 3, asked) == {}


def test_the_cache_returns_the_same_and_stays_within_its_limit(blobs: LocalBlobs) -> None:
    small, large = SummaryCache(3000), SummaryCache()
    ids = [made.message_id for made in _MAIL if made.user_id == 1]

    for cache in (small, large):
        for _ in range(3):
            assert _rows(blobs, 1, ids, cache) == _expected(1)
            assert _rows(blobs, 2, ids[-2:], cache).keys() == {ids[-2], ids[-1]}
    assert small._kept.size <= 3000
    before = large._kept.size
    assert _rows(blobs, 1, ids, large) == _expected(1)
    assert large._kept.size == before


def test_the_split_beside_them_is_found_as_before(blobs: LocalBlobs, tmp_path: Path) -> None:
    with opened((tmp_path / "a.split").read_bytes()) as found:
        assert found.parts == 1


def test_a_merged_split_has_the_summaries_of_the_merged_messages(tmp_path: Path) -> None:
    parts = [[made for made in _MAIL if made.user_id == user_id] for user_id in (1, 2)]
    sources = {f"{number}.split": reading(split(part)) for number, part in enumerate(parts)}
    merged = b"".join(builder.merge(sources, [table(part) for part in parts]))
    (tmp_path / "a.split").write_bytes(merged)

    for user_id in (1, 2):
        assert _rows(LocalBlobs(tmp_path), user_id, [made.message_id for made in _MAIL]) == _expected(user_id)


def test_a_split_of_the_release_before_has_none(tmp_path: Path) -> None:
    data = split(_MAIL)
    merged_by_it = b"".join(builder.merge({"a.split": reading(data)}))
    (tmp_path / "a.split").write_bytes(merged_by_it)

    assert container.read_summaries("a.split", *reading(merged_by_it)) is None
    assert _rows(LocalBlobs(tmp_path), 1, [_MAIL[0].message_id]) == {}


def test_without_a_split_there_are_none(tmp_path: Path) -> None:
    assert _rows(LocalBlobs(tmp_path), 1, [1]) == {}


def test_no_damage_changes_a_summary(blobs: LocalBlobs, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, chance = tmp_path / "a.split", Random(20261130)
    data, ids = path.read_bytes(), [made.message_id for made in _MAIL]
    start = _first_block(data)
    wrong = 0
    for _ in range(300):
        at = chance.randrange(start, len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :])
        rows = _rows(blobs, 1, ids)
        assert rows.items() <= _expected(1).items(), at
        wrong += rows != _expected(1)
    assert wrong > 200
    assert "a.split" in caplog.text


def test_a_truncated_split_has_none(blobs: LocalBlobs, tmp_path: Path) -> None:
    path = tmp_path / "a.split"
    data = path.read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        assert _rows(blobs, 1, [_MAIL[0].message_id]) == {}


def test_readers_share_one_cache() -> None:
    assert summary_cache.shared() is summary_cache.shared()


def test_texts_that_are_not_ascii_come_back_exactly(tmp_path: Path) -> None:
    odd = Made(5, {"subject": ('Zoë "quotes" \\ \u2028 \U0001f600',), "to": ("", "ünï <x@example.com>")})
    (tmp_path / "a.split").write_bytes(split([odd]))

    rows = SummaryCache().rows(LocalBlobs(tmp_path), "a.split", 1, [5])

    assert (rows[5]["subject"], rows[5]["to"]) == (odd.fields["subject"][0], list(odd.fields["to"]))


def _first_block(data: bytes) -> int:
    """Where the summaries begin: after the files of the index."""
    entries = container.read_table("a.split", *reading(data))
    return max(entry.offset + entry.stored_bytes for entry in entries)

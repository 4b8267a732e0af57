"""Names of segments: unique, and telling the epoch to a sweep."""

import pytest

from storage.model.schemas import MESSAGES
from storage.segments.writer import epoch_of, index_words, new_name


def test_a_name_contains_the_writers_epoch() -> None:
    assert [epoch_of(new_name(shard_id, epoch)) for shard_id, epoch in [(0, 1), (12345, 123456789)]] == [1, 123456789]


def test_no_two_names_are_the_same() -> None:
    assert len({new_name(0, 1) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "name",
    [
        "",
        "0000/",
        "0000/2024",
        "0000/1-notes",
        "0000/00000001-backup",
        "0000/x/00000001-" + "a" * 32,
        "00000001-" + "a" * 32,
    ],
)
def test_a_name_that_is_not_ours_has_no_epoch(name: str) -> None:
    with pytest.raises(ValueError):
        epoch_of(name)


def test_mail_that_cannot_be_indexed_is_stored_without_its_index(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")

    assert index_words("0000/00000001-aa", MESSAGES.empty_table()) is None
    assert "0000/00000001-aa" in caplog.text

"""Values that the stores cannot hold."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.records import DELETED
from storage.model.storable import EARLIEST_MS, LATEST_MS, moment, original, storable, storable_id

_ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.sampled_from("\0\x1a\x1e\x1f\\0a"))


@given(_ANY_TEXT)
def test_any_text_can_be_stored_and_is_given_back(text: str) -> None:
    for stored in (storable(text), storable_id(text)):
        stored.encode()
        assert not set(stored) & set("\0\x1e\x1f")
        assert original(stored) == text


@pytest.mark.parametrize("text", ["", "INBOX", "Projekte/Äpfel", "C:\\mail", "line\nbreak", "😀"])
def test_ordinary_text_is_stored_as_it_is(text: str) -> None:
    assert storable(text) == text


def test_no_label_of_gmails_passes_for_a_deletion() -> None:
    assert storable_id(DELETED) != DELETED


def test_moments_beyond_the_calendar_are_the_nearest_within() -> None:
    assert moment(LATEST_MS) == moment(10**18) == datetime(9999, 12, 31, 23, 59, 59, 999000, UTC)
    assert moment(EARLIEST_MS) == moment(-(10**18)) == datetime(1, 1, 1, tzinfo=UTC)
    assert moment(1500) == datetime(1970, 1, 1, 0, 0, 1, 500000, UTC)

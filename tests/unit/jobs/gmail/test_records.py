"""Ids as numbers and as Gmail writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gmail.errors import AnswerUnreadable
from jobs.gmail.records import from_hex
from storage.model.message_id import to_hex


@given(st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1).filter(bool))
def test_an_id_survives_both_ways(message_id: int) -> None:
    assert from_hex(to_hex(message_id)) == message_id


@pytest.mark.parametrize("text", ["", "0", "01", "0x1f", "1_0", " 1f", "1f\n", "1F", "-1", "g", "٣", "1" * 17])
def test_another_spelling_is_no_id(text: str) -> None:
    with pytest.raises(AnswerUnreadable):
        from_hex(text)

"""Gmail's ids in hex and as signed numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.message_id import from_hex, to_hex


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_every_number_survives_its_spelling(value: int) -> None:
    assert from_hex(to_hex(value)) == value


@given(st.integers(0, (1 << 64) - 1))
def test_every_id_of_gmail_survives_its_number(value: int) -> None:
    number = from_hex(f"{value:x}")

    assert -(1 << 63) <= number < 1 << 63
    assert to_hex(number) == f"{value:x}"


def test_upper_case_names_the_same_message() -> None:
    assert from_hex("18C3F") == from_hex("18c3f") == 0x18C3F


@pytest.mark.parametrize(
    "text", ["", "1" * 17, "0x1f", "0X1F", "1_0", "-1", "+1", " 1", "1\n", "xyz", "१", "\uff11f", "1\x00", "../1"]
)
def test_an_id_that_is_not_1_to_16_hex_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_hex(text)

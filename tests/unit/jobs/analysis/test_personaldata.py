"""Personal data: kinds and counts, never values."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.analysis.personaldata import PersonalData, is_card, is_iban
from tests.unit.jobs.analysis.letters import letter

NAMES = [name for name, _ in PersonalData.fields]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pay to DE89 3704 0044 0532 0130 00 please", "ibans"),
        ("IBAN:GB82WEST12345698765432.", "ibans"),
        ("card 4111 1111 1111 1111 exp", "cards"),
        ("card 378282246310005", "cards"),
        ("SSN 123-45-6789.", "social_security_numbers"),
        ("call +49 30 1234 5678", "phones"),
        ("call (212) 555-0100.", "phones"),
        ("call 212-555-0100", "phones"),
        ("write to ann.b@mail.example.org", "emails"),
        ("from 192.168.1.10 today", "ip_addresses"),
    ],
)
def test_each_kind_is_counted(text: str, kind: str) -> None:
    assert PersonalData().analyse(letter(text)) == tuple(int(name == kind) for name in NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "DE88 3704 0044 0532 0130 00",
        "4111 1111 1111 1112",
        "000-12-3456",
        "version 1.2.3.4.5",
        "300.1.1.1",
        "order 12345",
        "a @ b.example",
        "1111111111111117",
    ],
)
def test_a_number_with_an_invalid_checksum_is_not_counted(text: str) -> None:
    assert PersonalData().analyse(letter(text)) is None


@given(st.text(alphabet="0123456789 -", max_size=30), st.text(alphabet="ABDE0123456789 ", max_size=40))
def test_checks_take_any_text(card: str, iban: str) -> None:
    assert is_card(card) in (True, False)
    assert is_iban(iban) in (True, False)


@given(st.integers(10**13, 10**14 - 1))
def test_exactly_one_check_digit_is_right(number: int) -> None:
    assume(len(set(f"4{number}")) >= 2)

    assert sum(is_card(f"4{number}{digit}") for digit in range(10)) == 1


def test_values_never_appear() -> None:
    secret = ["DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111", "123-45-6789", "ann@mail.example.org"]
    answer = PersonalData().analyse(letter("\n".join(secret)))

    assert answer == (1, 1, 1, 0, 1, 0)
    assert all(type(value) is int for value in answer)

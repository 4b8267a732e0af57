"""What was paid and when."""

from datetime import date
from decimal import Decimal

import pytest

from jobs.analysis.receipts import Receipts, value
from tests.unit.jobs.analysis.letters import letter

DAY = date(2026, 11, 3)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Receipt of 2026-11-03\nBook $10.00\nTotal: $1,012.50\nYou saved $5,000.00", ("1012.50", "USD", DAY, 3)),
        ("Rechnung vom 3.11.2026\nGesamtbetrag 1.234,56 €", ("1234.56", "EUR", DAY, 1)),
        ("Your order of Nov 3, 2026: 2 $10", ("10.00", "USD", DAY, 1)),
        ("invoice, CHF 99.90 until 3 November 2026", ("99.90", "CHF", DAY, 1)),
        ("payment of £5 on 31.02.2026", ("5.00", "GBP", None, 1)),
    ],
)
def test_amount_currency_and_date_are_read(text: str, answer: tuple[str, str, date | None, int]) -> None:
    total, currency, day, amounts = answer

    assert Receipts().analyse(letter(text, Subject="Your invoice")) == (Decimal(total), currency, day, amounts)


@pytest.mark.parametrize("text", ["You owe me $10.00", "Your order of 3 parcels", "They paid $10.00 for my order", ""])
def test_other_mail_than_receipts_has_no_result(text: str) -> None:
    assert Receipts().analyse(letter(text)) is None


def test_a_word_for_the_total_stands_in_for_the_subject() -> None:
    answer = Receipts().analyse(letter("Thanks for the order.\nSubtotal $9.00\nTotal: $10.00\nNext time $2.00 off"))

    assert answer == (Decimal("10.00"), "USD", None, 3)


@pytest.mark.parametrize(
    ("written", "read"), [("1,000", "1000.00"), ("1.000,50", "1000.50"), ("1 000 000", "1000000.00"), ("7.05", "7.05")]
)
def test_numbers_are_read_as_written_anywhere(written: str, read: str) -> None:
    assert value(written) == Decimal(read)

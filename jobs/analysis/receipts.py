"""Amount, currency and date of a receipt, an invoice or an order.

Words decide whether a message is one; only then amounts are read. The total is the last amount after a word for a
total, else the largest amount.
"""

import re
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from jobs.analysis import bodies
from jobs.analysis.mail import Mail

_READ_CHARS = 8_000
_MOST_NUMBERS = 500

_WORDS = frozenset(
    {
        "receipt", "invoice", "order", "payment", "purchase", "booking", "itinerary", "subscription", "billing",
        "refund", "charged", "paid", "rechnung", "quittung", "bestellung", "zahlung", "facture", "commande", "reçu",
        "paiement", "factura", "recibo", "pedido", "pago", "fattura", "ricevuta", "ordine",
    }
)  # fmt: skip
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₺": "TRY", "₽": "RUB", "₪": "ILS", "₩": "KRW"}
_CODES = frozenset(
    {
        "USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "INR", "CNY", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF",
        "BRL", "MXN", "ZAR", "SGD", "HKD", "TRY", "ILS", "KRW", "RUB",
    }
)  # fmt: skip
#: Begins with a character set, to which the search can skip; a pattern that begins with the currencies would be tried
#: at every character (measured: 118 microseconds a message of SpamAssassin instead of 28).
_NUMBER = re.compile(r"[0-9]{1,9}(?:[.,' ][0-9]{3}(?![0-9])){0,3}(?:[.,][0-9]{2})?(?![0-9])")
_TOTAL = re.compile(
    r"\b(?:amount (?:paid|due|charged)|totale?|gesamt(?:betrag|summe)?|summe|montant|importe)\b",
    re.I,
)
_DATE = re.compile(
    r"\b(?:(?P<iso>[0-9]{4})-(?P<iso_month>[0-9]{2})-(?P<iso_day>[0-9]{2})"
    r"|(?P<dot_day>[0-3]?[0-9])\.(?P<dot_month>[01]?[0-9])\.(?P<dot_year>[0-9]{4})"
    r"|(?P<name>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.? (?P<day>[0-9]{1,2}),? (?P<year>[0-9]{4})"
    r"|(?P<day_first>[0-9]{1,2})\.? (?P<name_second>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?,? "
    r"(?P<year_last>[0-9]{4}))\b"
)
#: Dates are searched only around years.
_YEAR = re.compile(r"[12][09][0-9]{2}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Amount(NamedTuple):
    """An amount of money in a text, and its position."""

    start: int
    value: Decimal
    currency: str


class Receipts:
    """Null for a message that is not a receipt: no word for one, no amount, or neither such a word in the subject nor a
    word for a total before an amount."""

    name = "receipts"
    version = 2  # 2: a word for a receipt stands among the first 400
    fields = (
        ("total", pa.decimal128(15, 2)),
        ("currency", pa.string()),  # ISO 4217; "$" is read as USD, "¥" as JPY
        ("dated", pa.date32()),  # the first date in the text; null without one. 03/04/2026 is ambiguous and not read
        ("amounts", pa.int32()),  # amounts of money in the text
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        if _WORDS.isdisjoint(mail.distinct_words):
            return None
        text = f"{mail.message.subject[:1_000]}\n{mail.body[:_READ_CHARS]}"
        amounts = _amounts(text)
        if not amounts:
            return None
        total, named = _total(text, amounts)
        if not named and (mail.message.list_id or _WORDS.isdisjoint(bodies.words(mail.message.subject[:300]))):
            return None  # personal mail about money contains "paid" and "order" too
        return total.value, total.currency, _dated(text), len(amounts)


def _amounts(text: str) -> list[Amount]:
    amounts: list[Amount] = []
    for match, _ in zip(_NUMBER.finditer(text), range(_MOST_NUMBERS), strict=False):
        currency = _currency(text, match.start(), match.end())
        if currency:
            amounts.append(Amount(match.start(), value(match[0]), currency))
    return amounts


def _currency(text: str, start: int, end: int) -> str:
    """The currency before or after a number; "" without one."""
    before = text[max(start - 5, 0) : start].rstrip(" ")
    if before:
        if before[-1] in _SIGNS:
            return _SIGNS[before[-1]]
        if before[-3:] in _CODES and not before[-4:-3].isalnum():
            return before[-3:]
    after = text[end : end + 5].lstrip(" ")
    if after[:3] in _CODES and not after[3:4].isalnum():
        return after[:3]
    if after[:1] in _SIGNS and not after[1:].lstrip(" ")[:1].isdigit():  # "2 $10" means ten dollars
        return _SIGNS[after[0]]
    return ""


def _total(text: str, amounts: list[Amount]) -> tuple[Amount, bool]:
    """The total, and whether a word identifies it."""
    for index in reversed(range(len(amounts))):
        amount = amounts[index]
        since = amounts[index - 1].start if index else 0
        if _TOTAL.search(text, max(since, amount.start - 45), amount.start):
            return amount, True
    return max(amounts, key=lambda amount: amount.value), False


def value(number: str) -> Decimal:
    """The value of a number in any country's notation: the last mark before two digits is the decimal mark."""
    whole, cents = number, "00"
    if len(number) > 3 and number[-3] in ".,":
        whole, cents = number[:-3], number[-2:]
    return Decimal("".join(char for char in whole if char in "0123456789") + "." + cents)


def _dated(text: str) -> date | None:
    for written in _YEAR.finditer(text):
        match = _DATE.search(text, max(written.start() - 20, 0), written.end() + 6)
        if not match:
            continue
        groups = match.groupdict()
        year = groups["iso"] or groups["dot_year"] or groups["year"] or groups["year_last"]
        named = groups["name"] or groups["name_second"]
        month = _MONTHS.index(named.lower()) + 1 if named else int(groups["iso_month"] or groups["dot_month"])
        day = groups["iso_day"] or groups["dot_day"] or groups["day"] or groups["day_first"]
        if 1970 <= int(year) <= 2100 and 1 <= month <= 12 and 1 <= int(day) <= _days(int(year), month):
            return date(int(year), month, int(day))
    return None


def _days(year: int, month: int) -> int:
    return 31 if month == 12 else (date(year, month + 1, 1) - date(year, month, 1)).days

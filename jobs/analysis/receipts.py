"""Amounts and dates in what looks like a receipt, an invoice or an order."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import islice

import pyarrow as pa

from jobs.analysis.analyser import Field
from jobs.analysis.mail import Mail
from jobs.analysis.words import listed

_MOST_CHARS = 12_000
_MOST = 20
#: Words that only a message about a payment has together with an amount.
WORDS = listed("payment")
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
_CODES = ("USD", "EUR", "GBP", "CHF", "JPY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "CZK", "BRL", "MXN")
_NUMBER = r"(?:\d{1,3}(?:[.,' ]\d{3}){0,4}(?:[.,]\d{2})?|\d{1,9}(?:[.,]\d{2})?)"
#: Currencies are looked for, and then numbers beside them: a pattern that begins with figures looks at all of them.
_SYMBOL = re.compile(r"[$€£¥₹]")
_AFTER = re.compile(rf"\s?({_NUMBER})(?!\d)")
_BEFORE = re.compile(rf"(?<![\d.,])({_NUMBER})\s?$")
_MOST_AMOUNTS = 200
_TOTAL = ("total", "amount", "gesamt", "summe", "montant", "importe", "betrag")
_ISO = re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_NAMED = re.compile(
    r"\b(\d{1,2})\.? ([A-Z][a-z]{2})[a-z]*\.?,? ((?:19|20)\d\d)\b"
    r"|\b([A-Z][a-z]{2})[a-z]*\.? (\d{1,2}),? ((?:19|20)\d\d)\b"
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_GERMAN = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)\b")
_LIMIT = Decimal(10) ** 14


class Receipts:
    """The total and its currency, how many amounts there are, and the dates. Only of mail that speaks of a payment."""

    name, version = "receipt", 1
    fields: tuple[Field, ...] = (
        ("total", pa.decimal128(18, 2)),  # the amount nearest after the last word for a total, else the largest
        ("currency", pa.string()),  # ISO 4217
        ("amounts", pa.int32()),
        ("dates", pa.list_(pa.date32())),
    )

    def analyse(self, mail: Mail) -> tuple[object, ...] | None:
        """(total, currency, how many amounts, dates); None for mail without an amount or a word of payment."""
        if WORDS.isdisjoint(mail.words):
            return None
        text = mail.body[:_MOST_CHARS]
        amounts = [
            found for at, currency in islice(_currencies(text), _MOST_AMOUNTS) if (found := _amount(text, at, currency))
        ]
        if not amounts:
            return None
        lowered = text.lower()
        total_at = max(lowered.rfind(word) for word in _TOTAL)
        after = [each for each in amounts if 0 <= total_at <= each[0] <= total_at + 80]
        _, total, currency = after[0] if after else max(amounts, key=lambda each: each[1])
        return total, currency, len(amounts), dates(text)


def _currencies(text: str) -> Iterator[tuple[int, str]]:
    """Where a currency stands, and as what."""
    for match in _SYMBOL.finditer(text):
        yield match.start(), match[0]
    for code in _CODES:
        at = text.find(code)
        while at >= 0:
            yield at, code
            at = text.find(code, at + 3)


def _amount(text: str, at: int, currency: str) -> tuple[int, Decimal, str] | None:
    found = _AFTER.match(text, at + len(currency))
    if found is None and currency != "$":
        found = _BEFORE.search(text[max(0, at - 20) : at])
    if found is None:
        return None
    value = _value(found[1])
    return (at, value, _SYMBOLS.get(currency, currency)) if value < _LIMIT else None


def _value(number: str) -> Decimal:
    """A number as it is written anywhere: what stands before two last figures divides them from the whole."""
    plain = re.sub(r"[ ']", "", number)
    whole, cents = (plain[:-3], plain[-2:]) if len(plain) > 3 and plain[-3] in ".," else (plain, "00")
    return Decimal(f"{re.sub('[.,]', '', whole)}.{cents}")


def dates(text: str) -> list[date]:
    """The dates in a text that can only be read one way, each once, at most twenty."""
    found = [(m[1], m[2], m[3]) for m in _ISO.finditer(text)]
    found += [(m[3], m[2], m[1]) for m in _GERMAN.finditer(text)]
    for m in _NAMED.finditer(text):
        month = _MONTHS.get(m[2] or m[4])
        if month:
            found.append((m[3] or m[6], str(month), m[1] or m[5]))
    told: dict[date, None] = {}
    for year, month_, day in found:
        try:
            told[date(int(year), int(month_), int(day))] = None
        except ValueError:
            continue  # a number that only looks like one
    return list(told)[:_MOST]

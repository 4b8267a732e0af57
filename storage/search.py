"""A search in Gmail's language, read into typed terms: all of them must hold.

The words, phrases, negations and operators that are known are listed in OPERATORS; what is not known yet (OR, braces,
parentheses, other operators) is an error with its position, never a silent guess.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from storage.errors import BackupError

#: Operator -> what its value is. Fields of text match whole words, in any case.
OPERATORS: dict[str, str] = {
    "from": "words of the sender",
    "to": "words of the recipients",
    "cc": "words of the copied",
    "bcc": "words of the blind-copied",
    "subject": "words of the subject",
    "filename": "words of an attachment's name",
    "rfc822msgid": "a Message-ID header",
    "label": "a label id or name",
    "in": "inbox, sent, trash, spam, anywhere …",
    "is": "unread, read, starred, important",
    "has": "attachment",
    "after": "a day, YYYY/MM/DD",
    "before": "a day, YYYY/MM/DD",
    "larger": "a size: 500K, 10M",
    "smaller": "a size: 500K, 10M",
}

_TOKEN = re.compile(r"""\s*(?P<minus>-?)(?:(?P<operator>[A-Za-z_0-9]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))""")
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
_GROUPING = frozenset("(){}")
_SIZE = re.compile(r"(\d{1,12})([KM]?)B?", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})")
_LONGEST = 2000
_MOST_TERMS = 50


class InvalidQuery(BackupError):
    """The search cannot be understood. Correct it at the position given (characters from 0)."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason, position)
        self.reason, self.position = reason, position

    def __str__(self) -> str:
        return f"This search is not understood at character {self.position}: {self.reason}."


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` is an operator of OPERATORS, or "words" for a word or phrase anywhere in a message.

    value: text, an int (bytes) for larger and smaller, a datetime (UTC) for after and before.
    """

    field: str
    value: str | int | datetime
    negated: bool


def parse(text: str) -> list[Term]:
    """The terms of a search; none for an empty one.

    Raises:
        InvalidQuery.
    """
    if len(text) > _LONGEST:
        raise InvalidQuery(f"it is longer than {_LONGEST} characters", _LONGEST)
    if unusable := _UNUSABLE.search(text):
        raise InvalidQuery("this is not a character of text", unusable.start())
    terms: list[Term] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidQuery("a quotation mark is not closed", text.find('"', position))
        start = match.end("minus")
        terms.append(_term(match, start))
        position = match.end()
        if len(terms) > _MOST_TERMS:
            raise InvalidQuery(f"it has more than {_MOST_TERMS} terms", start)
    return terms


def _term(match: re.Match[str], position: int) -> Term:
    negated = bool(match["minus"])
    value = match["phrase"] if match["phrase"] is not None else match["word"]
    if match["phrase"] is None and not _GROUPING.isdisjoint(value):
        raise InvalidQuery("groups in ( ) and { } are not supported yet; quote a term that contains one", position)
    if match["operator"] is None:
        if match["phrase"] is None and (value in ("OR", "AND", "AROUND") or value[0] == "+"):
            raise InvalidQuery(f"{value!r} is not supported yet; every term must hold", position)
        if match["phrase"] is None and value.lower().rstrip(":") in OPERATORS and value.endswith(":"):
            raise InvalidQuery("a value is missing", position)
        if not value.strip():
            raise InvalidQuery("an empty phrase finds nothing", position)
        return Term("words", value, negated)
    operator = match["operator"].lower()
    if operator not in OPERATORS:
        raise InvalidQuery(f"{operator!r} is none of {', '.join(OPERATORS)}", position)
    return Term(operator, _VALUES.get(operator, _text)(value, position), negated)


def _text(value: str, position: int) -> str:
    if not value.strip():
        raise InvalidQuery("a value is missing", position)
    return value


def _one_of(*allowed: str) -> "Callable[[str, int], str]":
    def check(value: str, position: int) -> str:
        if value.lower() not in allowed:
            raise InvalidQuery(f"{value!r} is none of {', '.join(allowed)}", position)
        return value.lower()

    return check


def _size(value: str, position: int) -> int:
    match = _SIZE.fullmatch(value)
    if match is None:
        raise InvalidQuery(f"{value!r} is not a size such as 10M", position)
    return int(match[1]) * {"": 1, "K": 1 << 10, "M": 1 << 20}[match[2].upper()]


def _day(value: str, position: int) -> datetime:
    match = _DAY.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        day = date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError as exc:
        raise InvalidQuery(f"{value!r} is not a day such as 2026/01/31", position) from exc
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


_VALUES: dict[str, Callable[[str, int], str | int | datetime]] = {
    "is": _one_of("unread", "read", "starred", "important"),
    "has": _one_of("attachment"),
    "larger": _size,
    "smaller": _size,
    "after": _day,
    "before": _day,
}

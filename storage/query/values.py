"""Parses the values of operators: days, ages, sizes and names.

Each function raises InvalidQuery at the given position when the text is invalid.
"""

import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from storage.query.errors import InvalidQuery

_SIZE = re.compile(r"([0-9]{1,12})([KMG]?)B?", re.IGNORECASE)
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_YEAR_FIRST = re.compile(r"([0-9]{4})[/-]([0-9]{1,2})[/-]([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_SECONDS = re.compile(r"[0-9]{9,11}")
_AGE = re.compile(r"([0-9]{1,5})([dmy])", re.IGNORECASE)


def size_bytes(text: str, position: int) -> int:
    """Parse a size in bytes: 10M is 10 MiB; a number alone is bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InvalidQuery(f"{text!r} is not a size such as 10M", position)
    return int(match[1]) * _FACTORS[match[2].upper()]


def moment(text: str, position: int) -> datetime:
    """Parse the start of a day in UTC (YYYY/MM/DD or MM/DD/YYYY), or seconds since 1970 (nine to eleven digits)."""
    try:
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if match := _YEAR_FIRST.fullmatch(text):
            return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC)
        if match := _YEAR_LAST.fullmatch(text):
            return datetime(int(match[3]), int(match[1]), int(match[2]), tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidQuery(f"{text!r} is not a day such as 2026/01/31", position)


def age(text: str, position: int) -> tuple[int, str]:
    """Parse an age: 2d, 3m, 1y. Returns the count and the unit."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise InvalidQuery(f"{text!r} is not an age such as 2d, 3m or 1y", position)
    return int(match[1]), match[2].lower()


def one_of(text: str, allowed: Iterable[str], position: int) -> str:
    """One of a fixed set of names, case-insensitive; returned in lower case."""
    allowed = sorted(allowed)
    if text.lower() in allowed:
        return text.lower()
    raise InvalidQuery(f"{text!r} is none of {', '.join(allowed)}{suggestion(text, allowed)}", position)


def suggestion(text: str, known: Iterable[str]) -> str:
    """A suggestion to append to an error, or "" when no known name is close."""
    close = difflib.get_close_matches(text.lower(), sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def ago(now: datetime, count: int, unit: str) -> datetime:
    """The time `count` days (d), calendar months (m) or years (y) before now; at least the earliest supported one."""
    if unit == "d":
        return datetime.fromtimestamp(max(now.timestamp() - count * 86400, _FIRST.timestamp()), UTC)
    months = now.year * 12 + now.month - 1 - count * (12 if unit == "y" else 1)
    if months < 12 * 2:
        return _FIRST
    year, month = months // 12, months % 12 + 1
    for day in (now.day, 30, 29, 28):
        if day <= now.day:
            try:
                return now.replace(year=year, month=month, day=day)
            except ValueError:
                continue
    raise AssertionError("every month has 28 days")


_FIRST = datetime(2, 1, 1, tzinfo=UTC)

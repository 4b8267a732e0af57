"""The Date header as a moment."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from jobs.mime import headers
from jobs.mime.defects import Defects

#: What a 64-bit count of nanoseconds since 1970 holds, so every reader of the archive can represent it.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2262, 1, 1, tzinfo=UTC)


#: What nearly every mailer writes: "Tue, 3 Nov 2026 10:00:00 +0200 (EET)".
_USUAL = re.compile(
    r"(?:[A-Z][a-z]{2}, {1,2})?(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d)"
    r" ([+-])([01]\d|2[0-3])([0-5]\d)(?: \([^()]*\))?",
    re.ASCII,
)
_MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}


def parse(value: str, defects: Defects) -> datetime | None:
    """The moment in UTC; a time without zone counts as UTC. None with a defect when there is no usable one."""
    match = _USUAL.fullmatch(value)
    if match:
        moment = _usual(*match.groups())
        if moment is not None and _FIRST <= moment < _LAST:
            return moment
    value = headers.unfold(value)[:200]
    if not value:
        defects.add("no-date")
        return None
    return _unusual(value, defects)


def _usual(
    day: str, month: str, year: str, hour: str, minute: str, second: str, sign: str, hours: str, minutes: str
) -> datetime | None:
    try:
        local = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return local - _offset(sign, int(hours), int(minutes))
    except (KeyError, ValueError, OverflowError):
        return None


@lru_cache(maxsize=128)
def _offset(sign: str, hours: int, minutes: int) -> timedelta:
    return timedelta(hours=hours, minutes=minutes) * (1 if sign == "+" else -1)


def _unusual(value: str, defects: Defects) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, AttributeError):
        defects.add("bad-date")
        return None
    except OverflowError:
        defects.add("date-out-of-range")
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        defects.add("date-out-of-range")
        return None
    if not _FIRST <= moment < _LAST:
        defects.add("date-out-of-range")
        return None
    return moment

"""The Date header as a time.

A regular expression reads the usual form; our own parser the others, because the standard library's results differ
between patch releases, and it refuses leap seconds. Accepted are the forms of RFC 5322 (3.3, and the obsolete ones of
4.3: zones by name, years of two and three digits, comments anywhere), of C's asctime, of RFC 3339, and the day and
month in either order.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from jobs.mime import headers
from jobs.mime.defects import Defects

#: The range of 64-bit nanoseconds since 1970, which every reader of the archive can represent.
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
_MONTHS_IN_ANY_CASE = {name.lower(): number for name, number in _MONTHS.items()}

_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:[.,]\d{1,9})?)?", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)(.*))?", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,4}", re.ASCII)
_NUMERIC_ZONE = re.compile(r"(?:gmt|utc?)?([+-])(\d{1,2}):?(\d\d)?", re.ASCII | re.IGNORECASE)
#: In hours. Every other name is "-0000" by RFC 5322, 4.3: UTC.
_ZONES = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "ast": -4, "adt": -3}


def parse(value: str, defects: Defects) -> datetime | None:
    """The time in UTC; a time without a zone is UTC. None, with a defect, if the header is absent or unusable."""
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
    read = _Read()
    for _ in range(4):  # comments nest
        value = _COMMENT.sub(" ", value)
    value = " ".join(value.replace(",", " ").split())
    for word in value.replace(" :", ":").replace(": ", ":").split():
        read.word(word)
    try:
        moment = read.moment()
    except OverflowError:
        defects.add("date-out-of-range")
        return None
    if moment is None:
        defects.add("bad-date")
        return None
    if not _FIRST <= moment < _LAST:
        defects.add("date-out-of-range")
        return None
    return moment


class _Read:
    """The fields of a date, whose words may have any order."""

    def __init__(self) -> None:
        self._numbers: list[str] = []  # day and year, in the order written
        self._month = 0
        self._clock: tuple[int, int, int] | None = None
        self._afternoon: bool | None = None
        self._offset = timedelta()
        self._is_wrong = False

    def word(self, word: str) -> None:
        """The next word of the value."""
        lowered = word.lower().strip(".")
        iso = _ISO.fullmatch(word)
        if iso and not self._numbers:
            self._numbers, self._month = [iso[3], iso[1]], int(iso[2])
            if iso[4]:
                self.word(iso[4])
                self._zone(iso[5])
        elif self._clock is None and len(self._numbers) >= 1 and (clock := _CLOCK.match(word)):
            self._clock = (int(clock[1]), int(clock[2]), int(clock[3] or 0))
            if rest := word[clock.end() :]:
                self.word(rest)
        elif _DIGITS.fullmatch(lowered):
            if self._clock and len(self._numbers) > 1 and len(lowered) == 4:  # a zone without its sign
                self._zone("+" + lowered)
            else:
                self._numbers.append(lowered)
        elif not self._month and (number := _MONTHS_IN_ANY_CASE.get(lowered[:3])) and lowered.isalpha():
            self._month = number
        elif lowered in ("am", "pm"):
            self._afternoon = lowered == "pm"
        elif "-" in word[1:] and len(self._numbers) < 2:  # 03-Nov-26
            for part in word.split("-"):
                self.word(part)
        elif self._clock is not None:
            self._zone(word)

    def _zone(self, word: str) -> None:
        numeric = _NUMERIC_ZONE.fullmatch(word)
        if not numeric:
            hours = _ZONES.get(word.lower())
            if hours is not None:
                self._offset = timedelta(hours=hours)
            return
        hours, minutes = int(numeric[2]), int(numeric[3] or 0)
        self._offset = _offset(numeric[1], hours, minutes)
        self._is_wrong = self._is_wrong or abs(self._offset) >= timedelta(days=1)

    def moment(self) -> datetime | None:
        """The time in UTC; None if the words are not a date.

        Raises:
            OverflowError: it is before the year 1 or after 9999.
        """
        if self._is_wrong or len(self._numbers) < 2 or not self._month:
            return None
        day, year = self._numbers[0], self._numbers[1]
        if len(day) > 2:
            day, year = year, day
        hour, minute, second = self._clock or (0, 0, 0)
        if self._afternoon is not None and 1 <= hour <= 12:
            hour = hour % 12 + 12 * self._afternoon
        leap = second == 60
        try:
            local = datetime(_year(year), self._month, int(day), hour, minute, 59 if leap else second, tzinfo=UTC)
        except ValueError:
            return None
        return local + timedelta(seconds=leap) - self._offset


def _year(digits: str) -> int:
    """RFC 5322, 4.3: two digits below 50 are of this century; three digits count from 1900."""
    year = int(digits)
    if year < 100:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year

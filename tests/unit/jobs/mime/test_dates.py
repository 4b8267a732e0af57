"""The usual form of a date is read the short way, and as the standard library reads it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.mime import dates
from jobs.mime.defects import Defects


@pytest.mark.parametrize(
    ("value", "moment", "defects"),
    [
        ("Tue, 3 Nov 2026 10:00:00 +0200", datetime(2026, 11, 3, 8, tzinfo=UTC), []),
        ("Tue,  3 Nov 2026 10:00:00 -0000 (UTC)", datetime(2026, 11, 3, 10, tzinfo=UTC), []),
        ("3 Nov 26 10:00 EST", datetime(2026, 11, 3, 15, tzinfo=UTC), []),
        ("Tue Nov  3 10:00:00 2026", datetime(2026, 11, 3, 10, tzinfo=UTC), []),
        ("Sat, 31 Dec 2016 23:59:60 +0000", datetime(2017, 1, 1, tzinfo=UTC), []),
        ("Tue, 30 Jun 2015 18:59:60 -0500", datetime(2015, 7, 1, tzinfo=UTC), []),
        ("Tue, 3 (day (of all)) Nov 2026 (\\) x) 10 : 00 : 00 +0200 (EET)", datetime(2026, 11, 3, 8, tzinfo=UTC), []),
        ("3 Nov 126 10:00 Z", datetime(2026, 11, 3, 10, tzinfo=UTC), []),
        ("3 Nov 98 10:00 PDT", datetime(1998, 11, 3, 17, tzinfo=UTC), []),
        ("3 Nov 49 10:00 UT", datetime(2049, 11, 3, 10, tzinfo=UTC), []),
        ("03-Nov-26 10:00:00 GMT", datetime(2026, 11, 3, 10, tzinfo=UTC), []),
        ("Tue, 3 Nov 2026 10:00:00 A", datetime(2026, 11, 3, 10, tzinfo=UTC), []),
        ("Tue, 3 Nov 2026 10:00:00 XYZ", datetime(2026, 11, 3, 10, tzinfo=UTC), []),
        ("Tue, 3 Nov 2026 10:00:00 GMT+2", datetime(2026, 11, 3, 8, tzinfo=UTC), []),
        ("Tue, 3 Nov 2026 10:00:00 0530", datetime(2026, 11, 3, 4, 30, tzinfo=UTC), []),
        ("Nov 3, 2026 1:05 PM", datetime(2026, 11, 3, 13, 5, tzinfo=UTC), []),
        ("2026-11-03T10:00:00.5+02:00", datetime(2026, 11, 3, 8, tzinfo=UTC), []),
        ("Mon, 30 May 0001 13:10:06 -0800 (PST)", datetime(2001, 5, 30, 21, 10, 6, tzinfo=UTC), []),
        ("(no date)", None, ["bad-date"]),
        ("Tue, 31 Feb 2026 10:00:00 +0000", None, ["bad-date"]),
        ("Tue, 3 Nov 2026 10:00:00 +9900", None, ["bad-date"]),
        ("Tue, 3 Nov 1926 10:00:00 +0000", None, ["date-out-of-range"]),
        ("", None, ["no-date"]),
    ],
)
def test_a_date_is_read(value: str, moment: datetime | None, defects: list[str]) -> None:
    found = Defects()

    assert dates.parse(value, found) == moment
    assert found.codes() == defects


@given(
    st.integers(0, 32),
    st.sampled_from(["Jan", "Feb", "Dec", "Foo"]),
    st.integers(0, 2400).filter(lambda year: not 50 <= year < 69),  # RFC 5322 and the library differ
    st.tuples(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61).filter(lambda second: second != 60)),
    st.tuples(st.sampled_from("+-"), st.integers(0, 99), st.integers(0, 99)),
    st.sampled_from(["", " (CET)"]),
)
def test_the_short_way_agrees_with_the_standard_library(
    day: int, month: str, year: int, clock: tuple[int, int, int], zone: tuple[str, int, int], comment: str
) -> None:
    hour, minute, second = clock
    sign, hours, minutes = zone
    value = f"Tue, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}{comment}"
    try:
        moment = parsedate_to_datetime(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        expected = moment if 1970 <= moment.year < 2262 else None
    except (ValueError, OverflowError, TypeError, IndexError):
        expected = None

    assert dates.parse(value, Defects()) == expected

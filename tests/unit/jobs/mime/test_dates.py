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
    st.integers(0, 2400),
    st.tuples(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)),
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

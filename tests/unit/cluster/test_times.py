"""Moments on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from cluster.times import NotATime, moment, optional

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01 12:30", datetime(2026, 10, 1, 12, 30, tzinfo=UTC)),
        ("2026-10-01T12:30:15.5Z", datetime(2026, 10, 1, 12, 30, 15, 500_000, tzinfo=UTC)),
        ("2026-10-01T12:30+02:00", datetime(2026, 10, 1, 10, 30, tzinfo=UTC)),
        ("90s", NOW - timedelta(seconds=90)),
        ("30min", NOW - timedelta(minutes=30)),
        ("12h", NOW - timedelta(hours=12)),
        ("3d", NOW - timedelta(days=3)),
        ("2w", NOW - timedelta(weeks=2)),
    ],
)
def test_a_time_is_read(text: str, at: datetime) -> None:
    assert moment(text, NOW) == at
    assert moment(text, NOW).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "yesterday", "3", "d", "3m", "2026-13-01", "9999999w", "1/2/2026"])
def test_an_invalid_time_is_reported(text: str) -> None:
    with pytest.raises(NotATime, match="is not a time"):
        moment(text, NOW)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00"])
def test_a_time_at_the_end_of_the_calendar_is_the_nearest_that_can_be_computed_with(text: str) -> None:
    assert abs(moment(text, NOW).year - 5000) > 4990


def test_no_time_is_none() -> None:
    assert optional(None, NOW) is None
    assert optional("1d", NOW) == NOW - timedelta(days=1)

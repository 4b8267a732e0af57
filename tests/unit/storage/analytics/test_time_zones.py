"""Weeks of a zone by its distance from UTC, held against the zone's own local times."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.analytics.time_zones import HALF_HOURS_SINCE, HALF_HOURS_UNTIL, in_half_hours, mondays

ZONES = ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]
SLOT, WEEK = timedelta(minutes=30), timedelta(days=7)
SLOTS = int((HALF_HOURS_UNTIL - HALF_HOURS_SINCE) / SLOT)


@given(st.sampled_from(ZONES), st.lists(st.integers(0, SLOTS - 1), min_size=1, max_size=5))
def test_elapsed_since_monday_is_the_local_weekday_and_time(name: str, slots: list[int]) -> None:
    zone = ZoneInfo(name)
    moments = sorted(HALF_HOURS_SINCE + slot * SLOT for slot in slots)

    changes, midnights = mondays(zone, moments[0], moments[-1])

    assert in_half_hours(zone) and len(midnights) == len(changes) + 1
    for at in moments:
        elapsed = (at - midnights[bisect_right(changes, at)]) % WEEK
        local = at.astimezone(zone)
        assert (elapsed.days, elapsed.seconds) == (local.weekday(), local.hour * 3600 + local.minute * 60)


def test_only_the_offset_changes_of_the_time_range_are_returned() -> None:
    zurich = ZoneInfo("Europe/Zurich")
    changes, midnights = mondays(zurich, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, tzinfo=UTC))
    assert changes == [datetime(2024, 3, 31, 1, tzinfo=UTC), datetime(2024, 10, 27, 1, tzinfo=UTC)]
    assert [each.hour for each in midnights] == [23, 22, 23]


@pytest.mark.parametrize("name", ["Asia/Kathmandu", "Pacific/Chatham"])
def test_quarters_of_an_hour_are_seen(name: str) -> None:
    assert not in_half_hours(ZoneInfo(name))

"""How many units a day will have cost by midnight, Pacific time."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from actors.forecast import project

_PACIFIC = ZoneInfo("America/Los_Angeles")


def test_the_pace_so_far_is_carried_on_until_midnight() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=_PACIFIC)

    found = project(noon, noon - timedelta(hours=2), 6_000_000, 80_000_000)

    assert (found.day, found.per_minute, found.by_midnight) == ("2026-11-23", 50_000.0, 42_000_000)
    assert not found.passes


def test_a_pace_that_passes_the_threshold_is_told_hours_before() -> None:
    morning = datetime(2026, 11, 23, 1, tzinfo=_PACIFIC)

    assert project(morning, morning - timedelta(hours=1), 6_000_000, 80_000_000).passes


def test_a_day_with_a_change_of_the_clock_has_another_length() -> None:
    spring = datetime(2027, 3, 14, 1, tzinfo=_PACIFIC)  # an hour later it is 3 o'clock

    assert project(spring, spring - timedelta(hours=1), 60, None).by_midnight == 60 + 22 * 60


def test_a_project_without_a_threshold_never_passes_it() -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=_PACIFIC)

    assert not project(noon, noon, 10**12, None).passes


def test_a_paced_day_bills_nothing_and_another_what_passes_the_threshold() -> None:
    morning = datetime(2026, 11, 23, 1, tzinfo=_PACIFIC)
    found = project(morning, morning - timedelta(hours=1), 6_000_000, 80_000_000)

    assert (found.free_left, found.billed_by_midnight) == (74_000_000, 144_000_000 - 80_000_000)
    paced = replace(found, paced=True, reserved=6_400_000)
    assert (paced.free_left, paced.billed_by_midnight) == (73_600_000, 0)

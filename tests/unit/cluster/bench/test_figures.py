"""Rates, the quota's ceiling and fair turns, in numbers one can check by hand."""

from cluster.bench.figures import (
    Working,
    busy_seconds,
    ceiling_units,
    fair_turn_s,
    longest_idle_s,
    per_message_ms,
    share,
    users_units,
)


def _working(start_s: float, end_s: float, idle_s: float = 0.0) -> Working:
    return Working(start_s, end_s, idle_s, units=0)


def test_cpu_is_reported_in_milliseconds_per_message() -> None:
    assert per_message_ms({"parse": 2.0, "raw": 0.5}, 1000) == {"parse": 2.0, "raw": 0.5}
    assert per_message_ms({"parse": 2.0}, 0) == {"parse": 2000.0}


def test_a_share_of_nothing_is_nothing() -> None:
    assert share(1, 3) == 0.3333
    assert share(1, 0) == 0.0


def test_the_ceiling_falls_as_mailboxes_end() -> None:
    working = [_working(0, 10), _working(0, 4)]

    assert ceiling_units(working, per_user=100, per_project=None) == 4 * 200 + 6 * 100
    assert users_units(working, per_user=100) == 1400


def test_the_project_caps_the_ceiling_while_many_work() -> None:
    working = [_working(0, 10), _working(0, 4)]

    assert ceiling_units(working, per_user=100, per_project=150) == 4 * 150 + 6 * 100


def test_a_gap_without_work_adds_nothing_to_the_ceiling() -> None:
    working = [_working(0, 2), _working(5, 6)]

    assert ceiling_units(working, per_user=10, per_project=1000) == 30


def test_a_profile_without_limits_has_no_ceiling() -> None:
    assert ceiling_units([_working(0, 10)], per_user=None, per_project=None) == 0.0


def test_busy_time_reaches_from_the_first_start_to_the_last_end() -> None:
    assert busy_seconds([_working(1, 3), _working(2, 9)]) == 8
    assert busy_seconds([]) == 0.0


def test_a_fair_turn_is_the_mailboxes_times_what_a_turn_took() -> None:
    # Four mailboxes work for 10 s, and 20 fetches were made: one each half second, so each mailbox every 2 s.
    assert fair_turn_s([_working(0, 10)] * 4, turns=20) == 2.0
    assert fair_turn_s([], turns=0) == 0.0


def test_the_longest_idle_mailbox_counts() -> None:
    assert longest_idle_s([_working(0, 9, 0.5), _working(0, 9, 2.5)]) == 2.5
    assert longest_idle_s([]) == 0.0

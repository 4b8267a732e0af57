"""Token buckets: what goes through in any window."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quota import Allowance, Bucket

_ROUNDING = 1e-6


def test_a_new_bucket_is_full() -> None:
    assert Bucket(rate=2, capacity=10, now=100).available(100) == 10


def test_a_bucket_fills_at_its_rate_up_to_its_capacity() -> None:
    bucket = Bucket(rate=2, capacity=10, now=0)
    assert bucket.take(10, 0)

    assert bucket.available(3) == 6
    assert bucket.available(100) == 10


def test_more_than_is_there_is_refused_and_costs_nothing() -> None:
    bucket = Bucket(rate=1, capacity=10, now=0)

    assert not bucket.take(11, 0)
    assert bucket.available(0) == 10


def test_nothing_goes_through_in_a_pause_and_no_burst_follows() -> None:
    bucket = Bucket(rate=2, capacity=10, now=0)
    bucket.pause(5, now=1)

    assert bucket.available(4) == 0
    assert bucket.available(6) == 0
    assert bucket.available(7) == 2


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    bucket = Bucket(rate=2, capacity=10, now=0)
    bucket.pause(10, now=0)
    bucket.pause(1, now=2)

    assert not bucket.take(1, 9)
    assert bucket.take(1, 10.5)


@given(
    rate=st.floats(0.1, 1000),
    capacity=st.floats(1, 1000),
    share=st.floats(0, 2),
    taken=st.floats(0, 1),
    pause=st.floats(0, 100),
)
def test_at_the_moment_promised_the_units_are_there(
    rate: float, capacity: float, share: float, taken: float, pause: float
) -> None:
    now = 1_790_000_000.3  # as large as a clock's, so rounding is as coarse
    bucket = Bucket(rate, capacity, now)
    bucket.take(capacity * taken, now)
    if pause > 50:
        bucket.pause(pause, now)
    units = share * capacity

    assert bucket.take(min(units, capacity), bucket.ready_at(units, now))


@given(
    rate=st.floats(0.1, 100),
    capacity=st.floats(1, 200),
    steps=st.lists(st.tuples(st.floats(0, 20), st.floats(0, 100), st.sampled_from([0.0, 0.0, 0.0, 5.0, 30.0]))),
    window=st.floats(0, 120),
)
def test_no_window_lets_more_through_than_capacity_and_rate_allow(
    rate: float, capacity: float, steps: list[tuple[float, float, float]], window: float
) -> None:
    now, bucket, through = 0.0, Bucket(rate, capacity, 0.0), []
    for wait, units, pause in steps:
        now += wait
        if pause:
            bucket.pause(pause, now)
        if bucket.take(units, now):
            through.append((now, units))

    for start, _ in through:
        spent = sum(units for when, units in through if start <= when <= start + window)
        assert spent <= capacity + rate * window + _ROUNDING


@pytest.mark.parametrize("units", [0.0, 5.0, 50.0])
def test_a_full_bucket_is_ready_at_once(units: float) -> None:
    assert Bucket(rate=1, capacity=10, now=7).ready_at(units, 7) == 7


def test_an_allowance_is_used_up_in_every_window() -> None:
    allowance, through = Allowance(limit=600, window_s=60, burst=90, now=0.0), []
    for tick in range(6000):  # ten minutes
        now = tick / 10
        if allowance.take(20, now):
            allowance.returned(20, now + 0.05)
            through.append(now)

    assert 20 * len(through) >= 0.97 * 600 * 10
    assert max(after - before for before, after in pairwise(through)) < 4.1, "it never stalls"


def test_an_allowance_that_is_asked_now_and_then_loses_only_the_time_that_units_wait() -> None:
    allowance, spent = Allowance(limit=600, window_s=60, burst=90, now=0.0), 0.0
    now, chance = 0.0, Random(7)
    while now < 6000:
        units = 20 * (allowance.available(now) // 20)
        assert allowance.take(units, now)
        allowance.returned(units, now + 0.1)
        spent += units
        now = allowance.ready_at(20, now + 0.1) + chance.uniform(0, 5)

    assert spent >= 0.94 * 600 * 100


def test_an_allowance_that_may_owe_waits_for_the_whole_burst() -> None:
    allowance = Allowance(limit=600, window_s=60, burst=90, now=0.0, owed=True)

    assert not allowance.take(1, 9.0)
    assert allowance.take(1, 9.2)


def test_calls_that_do_not_come_back_use_the_allowance_up_until_they_do() -> None:
    allowance = Allowance(limit=600, window_s=60, burst=600, now=0.0)
    assert allowance.take(600, 0.0)

    assert allowance.available(500.0) == 0
    allowance.returned(600, 500.0)
    assert allowance.available(559.0) == 0
    assert allowance.ready_at(10, 501.0) > 560
    assert allowance.available(allowance.ready_at(10, 501.0)) >= 300


@given(
    limit=st.integers(100, 10_000),
    burst=st.floats(0.01, 1),
    steps=st.lists(
        st.tuples(
            st.floats(0, 20), st.floats(0, 1), st.floats(0, 30), st.floats(0, 1), st.sampled_from([0.0] * 9 + [5.0])
        ),
        max_size=60,
    ),
)
def test_no_window_is_charged_more_than_the_limit_however_late_calls_are_charged(
    limit: int, burst: float, steps: list[tuple[float, float, float, float, float]]
) -> None:
    allowance, now = Allowance(limit, 60, limit * burst, 0.0), 0.0
    charges: list[tuple[float, float]] = []
    back: list[tuple[float, float]] = []
    for wait, share, lasts, when, pause in steps:
        now += wait
        for at, units in sorted(entry for entry in back if entry[0] <= now):
            allowance.returned(units, at)
        back = [entry for entry in back if entry[0] > now]
        if pause:
            allowance.pause(pause, now)
        units = allowance.available(now) * share
        if units and allowance.take(units, now):
            back.append((now + lasts, units))
            charges.append((now + lasts * when, units))

    for start, _ in charges:
        assert sum(units for at, units in charges if start <= at < start + 60) <= limit + _ROUNDING


@given(waits=st.lists(st.floats(0, 10), max_size=30), units=st.floats(1, 90))
def test_asking_again_when_told_succeeds_after_a_few_times(waits: list[float], units: float) -> None:
    allowance, now = Allowance(limit=600, window_s=60, burst=90, now=0.0), 0.0
    for wait in waits:
        now += wait
        part = allowance.available(now) * 0.9
        assert allowance.take(part, now)
        allowance.returned(part, now)

    asked = 0
    while not allowance.take(units, now):
        later = allowance.ready_at(units, now)
        assert later > now
        now, asked = later, asked + 1
    assert asked <= 20

"""Token buckets: what goes through in any window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.quota import Bucket

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

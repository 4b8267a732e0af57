"""What is charged and what is refused."""

import pytest

from cluster.simulator.quota import COSTS, Profile, Quota, Window


@pytest.mark.parametrize(("profile", "gets"), [("legacy", 3000), ("standard", 300)])
def test_a_user_may_spend_the_units_of_a_minute(profile: Profile, gets: int) -> None:
    quota = Quota(profile, {}, time_scale=1)

    assert all(quota.charge("a", "messages.get", 0.0) is None for _ in range(gets))
    refusal = quota.charge("a", "messages.get", 0.0)

    assert refusal is not None and refusal.scope == "user"
    assert 59 < refusal.retry_after_s <= 60.2


def test_one_user_does_not_spend_anothers_allowance() -> None:
    quota = Quota("standard", {}, time_scale=1)
    while quota.charge("a", "messages.get", 0.0) is None:
        pass

    assert quota.charge("b", "messages.get", 0.0) is None


def test_the_allowance_returns_as_the_minute_slides() -> None:
    quota = Quota("standard", {}, time_scale=1)
    for second in range(30):
        for _ in range(10):
            assert quota.charge("a", "messages.get", float(second)) is None

    assert quota.charge("a", "messages.get", 59.0) is not None
    assert quota.charge("a", "messages.get", 60.2) is None


def test_a_call_succeeds_after_the_reported_wait() -> None:
    quota = Quota("legacy", {}, time_scale=1)
    now = 1000.37
    while (refusal := quota.charge("a", "messages.get", now)) is None:
        now += 0.001

    assert quota.charge("a", "messages.get", now + refusal.retry_after_s) is None


def test_the_project_is_bounded_over_all_users() -> None:
    quota = Quota("legacy", {"messages.get": 15_000}, time_scale=1)
    assert all(quota.charge(f"user-{n}", "messages.get", 0.0) is None for n in range(80))

    refusal = quota.charge("user-80", "messages.get", 0.0)

    assert refusal is not None and refusal.scope == "project"


def test_a_scaled_minute_is_shorter() -> None:
    quota = Quota("standard", {"messages.get": 6000}, time_scale=10)
    assert quota.charge("a", "messages.get", 0.0) is None

    assert quota.charge("a", "messages.get", 5.9) is not None
    assert quota.charge("a", "messages.get", 6.1) is None


def test_unlimited_refuses_nothing_and_still_counts() -> None:
    quota = Quota("unlimited", {}, time_scale=1)

    assert all(quota.charge("a", "messages.get", 0.0) is None for _ in range(5000))
    assert quota.spending.total == quota.spending.by_user["a"] == 25_000


def test_a_refused_call_costs_nothing() -> None:
    quota = Quota("standard", {"watch": 6000}, time_scale=1)
    quota.charge("a", "watch", 0.0)
    quota.charge("a", "watch", 0.0)

    assert quota.spending.total == 6000


def test_every_profile_prices_the_same_methods() -> None:
    assert COSTS["legacy"].keys() == COSTS["standard"].keys() == COSTS["unlimited"].keys()
    assert (COSTS["legacy"]["messages.get"], COSTS["standard"]["messages.get"]) == (5, 20)


def test_a_window_never_holds_more_than_its_slots() -> None:
    window = Window(10**9, 60)
    for step in range(100_000):
        window.spend(1, step * 0.01)

    assert len(window._slots) <= 601
    assert window.spent(1000.0) <= 6001

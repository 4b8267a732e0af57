"""What Gmail's methods cost."""

import pytest

from jobs.gmail.errors import UnknownMethod
from jobs.gmail.quota_costs import PROFILES, QuotaName, cost


@pytest.mark.parametrize(
    ("profile", "method", "units"),
    [
        ("legacy", "messages.get", 5),
        ("standard", "messages.get", 20),
        ("standard", "messages.attachments.get", 20),
        ("standard", "messages.list", 5),
        ("standard", "history.list", 2),
        ("standard", "labels.list", 1),
        ("standard", "getProfile", 1),
        ("legacy", "messages.import", 25),
        ("standard", "messages.import", 25),
        ("standard", "messages.insert", 25),
        ("standard", "labels.create", 5),
        ("standard", "labels.get", 1),
        ("standard", "threads.list", 10),
        ("standard", "threads.get", 40),
        ("standard", "messages.trash", 20),
        ("standard", "messages.untrash", 5),
        ("standard", "messages.modify", 5),
        ("standard", "messages.delete", 10),
        ("standard", "messages.batchModify", 50),
        ("standard", "watch", 100),
        ("standard", "stop", 50),
    ],
)
def test_a_method_costs_what_google_publishes(profile: QuotaName, method: str, units: int) -> None:
    assert cost(profile, method) == units
    assert cost(profile, method, 50) == 50 * units


def test_gets_per_second_follow_from_the_table() -> None:
    for name, per_user, per_project in (("legacy", 50, 4_000), ("standard", 5, 1_000)):
        profile = PROFILES[name]  # type: ignore[index]  # the literal is widened by the loop
        assert profile.units_per_minute_per_user is not None
        assert profile.units_per_minute_per_project is not None
        assert profile.units_per_minute_per_user / profile.costs["messages.get"] / 60 == per_user
        assert profile.units_per_minute_per_project / profile.costs["messages.get"] / 60 == per_project


def test_no_calls_cost_nothing() -> None:
    assert cost("standard", "messages.get", 0) == 0


def test_a_negative_number_of_calls_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="-1"):
        cost("standard", "messages.get", -1)


def test_an_override_wins_over_the_table() -> None:
    assert cost("standard", "messages.import", 2, {"messages.import": 30}) == 60


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UnknownMethod, match=r"drafts\.send"):
        cost("legacy", "drafts.send")


def test_unlimited_counts_units_and_limits_nothing() -> None:
    assert PROFILES["unlimited"].units_per_minute_per_user is None
    assert cost("unlimited", "messages.get", 3) == 15

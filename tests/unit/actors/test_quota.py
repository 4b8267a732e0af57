"""What a shard may ask of Gmail, and what the broker leases."""

import pytest

from actors.budget import Demand
from actors.decisions import Call, Fetch, ListPage, Pin, ReadHistory
from actors.quota import ShardQuota
from jobs.gmail.config import GmailConfig

STANDARD = GmailConfig(quota_profile="standard")


def _quota(config: GmailConfig = STANDARD, lease: float = 1e9) -> ShardQuota:
    quota = ShardQuota(config, 4)
    quota.ready_at(1, None, 0.0)  # the bucket of user 1 begins to fill
    quota._budget.granted(lease, 10.0)
    return quota


@pytest.mark.parametrize(
    ("call", "units"), [(Pin(1), 2), (ListPage(1, None), 5), (ReadHistory(1, 7, None), 2), (Fetch(1, (1, 2, 3)), 60)]
)
def test_a_call_costs_what_its_requests_cost(call: Call, units: int) -> None:
    assert ShardQuota(STANDARD, 4).cost(call) == units


def test_a_new_owner_starts_without_a_burst() -> None:
    quota = _quota()

    assert quota.fetchable(1, 100, 0.0) == 0
    assert quota.fetchable(1, 100, 10.0) == 9


def test_a_fetch_waits_for_a_handful_unless_fewer_are_left() -> None:
    quota = _quota()

    assert quota.fetchable(1, 100, 0.5) == 0
    assert quota.fetchable(1, 2, 0.5) == 2


@pytest.mark.parametrize("each", [0, 60, 100, 180])
def test_however_dear_a_message_is_it_can_be_fetched(each: int) -> None:
    quota = _quota(GmailConfig(cost_overrides={"messages.get": each}))

    assert quota.fetchable(1, 100, quota.ready_at(1, None, 0.0)) >= 1


def test_without_a_lease_nothing_goes_and_the_want_is_told() -> None:
    quota = _quota(lease=0)

    assert not quota.take(1, ListPage(1, None), 10.0)
    assert quota.demand(3, 10.0) == Demand(5, 5, 3)
    quota.granted(5, 10.0)
    assert quota.take(1, ListPage(1, None), 10.5)


def test_a_pause_of_the_project_gives_the_lease_up() -> None:
    quota = _quota()
    quota.pause(1, "project", 2.0, 10.0)

    assert not quota.take(1, ListPage(1, None), 10.0)
    assert quota.wanting and (quota.refused_s(), quota.refused_s()) == (2.0, None)


def test_a_pause_holds_one_user() -> None:
    quota = _quota()
    quota.ready_at(2, None, 0.0)
    quota.pause(1, "user", 5.0, 10.0)

    quota.granted(1e9, 13.5)
    assert quota.fetchable(1, 9, 14.0) == 0
    assert quota.fetchable(2, 9, 14.0) == 9
    assert quota.ready_at(1, ListPage(1, None), 10.0) > 15.0


def test_a_profile_without_limits_needs_no_lease() -> None:
    quota = ShardQuota(GmailConfig(quota_profile="unlimited"), 4)
    quota.ready_at(1, None, 0.0)

    assert quota.fetchable(1, 500, 0.1) == 500
    assert not quota.wanting

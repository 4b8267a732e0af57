"""What a shard may ask of Gmail, and what the broker leases."""

import pytest

from actors.budget import Demand
from actors.decisions import Call, Confirm, Fetch, ListPage, Pin, ReadHistory
from actors.quota import BURST, ShardQuota
from jobs.gmail.config import GmailConfig

STANDARD = GmailConfig(quota_profile="standard")


def _quota(config: GmailConfig = STANDARD, lease: float = 1e9, succeeds: bool = False) -> ShardQuota:
    quota = ShardQuota(config, 4, 0.0, succeeds)
    quota._budget.granted(lease, 10.0)
    return quota


@pytest.mark.parametrize(
    ("call", "units"),
    [
        (Pin(1), 2),
        (ListPage(1, None), 5),
        (ReadHistory(1, 7, None), 2),
        (Fetch(1, (1, 2, 3)), 60),
        (Confirm(1, None, 7), 3),
        (Confirm(1, "INBOX", 7), 3),
    ],
)
def test_a_call_costs_what_its_requests_cost(call: Call, units: int) -> None:
    assert _quota().cost(call) == units


def test_a_shards_first_owner_starts_with_a_burst() -> None:
    assert _quota().fetchable(1, 100, 0.0) == 45


def test_an_owner_that_succeeds_another_waits_for_what_that_one_may_have_spent() -> None:
    quota = _quota(succeeds=True)

    assert quota.fetchable(1, 100, 9.0) == 0
    assert quota.fetchable(1, 2, 9.5) == 2


def test_a_mailbox_that_is_opened_later_need_not_wait() -> None:
    assert _quota(succeeds=True).fetchable(2, 100, 10.0) == 0
    assert _quota(succeeds=True).fetchable(2, 5, 10.5) == 5


def test_a_fetch_waits_for_a_handful_unless_fewer_are_left() -> None:
    quota = _quota()
    quota.take(1, Fetch(1, tuple(range(45))), 0.0)

    assert quota.fetchable(1, 100, 1.0) == 0
    assert quota.fetchable(1, 2, 1.0) == 2


def test_a_call_that_is_out_counts_however_long_it_takes() -> None:
    quota = _quota()
    spent = 0
    for second in range(1, 200):
        quota.granted(1e9, second)
        count = quota.fetchable(1, 100, second)
        spent += count
        assert not count or quota.take(1, Fetch(1, tuple(range(count))), second)

    assert spent == 300


@pytest.mark.parametrize("each", [0, 60, 100, 180, 5000])
def test_however_dear_a_message_is_it_can_be_fetched(each: int) -> None:
    quota = _quota(GmailConfig(cost_overrides={"messages.get": each}), succeeds=True)

    ready_at = quota.ready_at(1, None, 0.0)
    quota.granted(1e9, ready_at)
    assert quota.fetchable(1, 100, ready_at) >= 1


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
    quota.pause(1, "user", 5.0, 10.0)

    quota.granted(1e9, 13.5)
    assert quota.fetchable(1, 9, 14.0) == 0
    assert quota.fetchable(2, 9, 14.0) == 9
    assert quota.ready_at(1, ListPage(1, None), 10.0) > 15.0


def test_a_profile_without_limits_needs_no_lease_and_owes_nothing() -> None:
    quota = ShardQuota(GmailConfig(quota_profile="unlimited"), 4, 0.0, succeeds=True)

    assert quota.fetchable(1, 500, 0.0) == 500
    assert not quota.wanting


@pytest.mark.parametrize(
    ("config", "units", "at_once"),
    [
        (GmailConfig(quota_profile="legacy", paid_tier=True), 5, 450),
        (GmailConfig(quota_profile="standard"), 20, 45),
        (GmailConfig(quota_profile="standard", units_per_user=12_000), 20, 90),
        (GmailConfig(quota_profile="standard", cost_overrides={"messages.get": 10}), 10, 90),
    ],
)
def test_costs_and_limits_are_the_configurations(config: GmailConfig, units: int, at_once: int) -> None:
    quota = ShardQuota(config, 4, 0.0, succeeds=False)
    quota.granted(1e9, 0.0)

    assert quota.cost(Fetch(1, (7,))) == units
    assert quota.fetchable(1, 1000, 0.0) == at_once


def test_what_is_lent_to_another_process_counts_against_the_user_until_it_is_repaid() -> None:
    quota = ShardQuota(GmailConfig(quota_profile="standard"), 1, 0.0, succeeds=False)
    quota.granted(10_000, 0.0)
    lent = 0
    while quota.lend(1, "messages.import", 0.0) == 0.0:
        lent += 1
    assert lent == 6000 * BURST // 25
    assert quota.lend(2, "messages.import", 0.0) == 0.0, "another user has an allowance of their own"

    wait_s = quota.lend(1, "messages.import", 0.0)
    assert 0 < wait_s < 1
    for _ in range(lent):
        quota.repaid(1, "messages.import", 0.0)
    quota.repaid(1, "messages.import", 0.0)  # told once too often: it changes nothing
    quota.granted(10_000, wait_s)
    assert quota.lend(1, "messages.import", wait_s) == 0.0


def test_a_borrower_that_died_owes_nothing_once_no_call_lasts_that_long() -> None:
    config = GmailConfig(quota_profile="standard", total_timeout_s=10.0)
    quota = ShardQuota(config, 1, 0.0, succeeds=False)
    for now in range(60):  # all that a minute allows
        quota.granted(10_000, float(now))
        while quota.lend(1, "messages.import", float(now)) == 0.0:
            continue
    quota.granted(10_000, 69.0)
    rest = sum(quota.lend(1, "messages.import", 69.0) == 0.0 for _ in range(20))
    assert rest < 20, "none of it was repaid"
    quota.lend(1, "messages.import", 130.0)  # from now on its calls count as returned
    quota.granted(10_000, 200.0)
    assert quota.lend(1, "messages.import", 200.0) == 0.0

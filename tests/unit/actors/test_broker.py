"""The project's budget among shards: fair, used up, and never exceeded, whatever becomes of the broker."""

from random import Random

import pytest

from actors.broker import QuotaBroker
from actors.budget import Budget, Demand
from jobs.gmail.config import GmailConfig

CONFIG = GmailConfig(quota_profile="standard", units_per_project=60_000, allow_paid_units=True)
TICK_S = 0.1


def leased(demands: dict[int, tuple[float, float]], seconds: float) -> dict[int, float]:
    """What every shard gets of a broker, asking ten times a second; {shard: (units wanted each time, weight)}."""
    broker = QuotaBroker(CONFIG, 0.0)
    got = dict.fromkeys(demands, 0.0)
    for tick in range(1, int(seconds / TICK_S) + 1):
        for shard_id, (wanted, weight) in demands.items():
            got[shard_id] += broker.lease(shard_id, Demand(1, wanted, weight), tick * TICK_S)
    return got


def test_shards_get_units_by_the_mailboxes_that_wait_in_them() -> None:
    got = leased({1: (1e6, 30), 2: (1e6, 10)}, 120)

    assert got[1] / got[2] == pytest.approx(3, rel=0.02)


def test_what_one_shard_does_not_want_the_others_get() -> None:
    got = leased({1: (5, 1), 2: (1e6, 1), 3: (1e6, 1)}, 120)

    assert got[1] == pytest.approx(118 * 10 * 5 / 2, rel=0.02)  # a grant every other time: it earns while it waits
    assert got[2] == pytest.approx(got[3], rel=0.02)
    assert sum(got.values()) > 0.95 * 118 * 1000


def test_a_shard_that_asks_seldom_is_not_passed_over() -> None:
    broker = QuotaBroker(CONFIG, 0.0)
    often = seldom = 0.0
    for tick in range(1, 601):
        often += broker.lease(1, Demand(1, 1e6, 1), tick * TICK_S)
        if tick % 5 == 0:
            seldom += broker.lease(2, Demand(1, 1e6, 1), tick * TICK_S)

    assert seldom / often == pytest.approx(1, rel=0.1)


def test_a_small_mailbox_finishes_while_a_large_one_runs() -> None:
    broker = QuotaBroker(CONFIG, 0.0)
    for tick in range(1, 300):
        broker.lease(1, Demand(1, 1e6, 1), tick * TICK_S)
    small = 2_000.0
    for tick in range(300, 400):
        broker.lease(1, Demand(1, 1e6, 1), tick * TICK_S)
        small -= broker.lease(2, Demand(1, small, 1), tick * TICK_S)
        if small <= 0:
            break

    assert tick < 345  # half of 963 units a second: 4.2 s


def test_what_a_call_needs_comes_at_once_and_not_in_parts_that_run_out() -> None:
    broker = QuotaBroker(CONFIG, 0.0)
    grants = [broker.lease(number, Demand(400, 400, 1), tick * TICK_S) for tick in range(1, 601) for number in range(3)]

    assert set(grants) == {0, 400}
    assert sum(grants) > 0.95 * 58 * 963


def test_nobody_waits_for_ever_when_everybody_needs_more_than_a_share_of_what_can_be_held() -> None:
    broker = QuotaBroker(CONFIG, 0.0)  # holds 1,200 units
    got = [0.0] * 20
    for tick in range(1, 1201):
        for number in range(20):
            got[number] += broker.lease(number, Demand(400, 400, 1), tick * TICK_S)

    assert min(got) > 0
    assert sum(got) > 0.9 * 118 * 963


def test_a_refused_project_gets_less_for_a_while_and_everything_again_later() -> None:
    broker = QuotaBroker(CONFIG, 0.0)
    broker.lease(1, Demand(1, 1e6, 1), 10.0)
    broker.throttled(2.0, 10.0)
    broker.throttled(2.0, 10.05)  # the other calls that were in flight

    assert broker.lease(1, Demand(1, 1e6, 1), 11.9) == 0
    assert broker.factor == pytest.approx(0.8)
    for tick in range(1, 300):
        broker.lease(1, Demand(1, 1e6, 1), 12 + tick * TICK_S)
    assert broker.factor == 1.0


def test_a_lease_that_is_not_spent_in_time_is_lost() -> None:
    budget = Budget(CONFIG, 4)
    budget.granted(100, 10.0)

    assert budget.available(10.9) == 100
    assert budget.available(11.0) == 0


def test_a_shard_goes_on_with_its_static_share_once_every_lease_has_run_out() -> None:
    budget = Budget(CONFIG, 4)
    budget.granted(100, 10.0)
    budget.silent(10.5)

    assert budget.available(10.9) == 100
    assert budget.available(12.4) == 0
    assert budget.available(12.5) == 0
    assert budget.available(13.5) == pytest.approx(60_000 * 0.98 / 61 / 4)
    budget.granted(0, 14.0)
    assert budget.available(14.0) == 0


@pytest.mark.parametrize("seed", range(40))
def test_no_minute_exceeds_the_budget_though_brokers_die_and_come_back(seed: int) -> None:
    random = Random(seed)
    shards = random.choice([1, 2, 5, 16])
    budgets = [Budget(CONFIG, shards) for _ in range(shards)]
    broker, dead_until, dies_at = QuotaBroker(CONFIG, 0.0), 0.0, random.uniform(0, 60)
    spent: list[tuple[float, float]] = []
    for tick in range(int(300 / TICK_S)):
        now = tick * TICK_S
        if now >= dies_at:
            dead_until, dies_at = now + random.uniform(0.2, 40), now + random.uniform(50, 120)
            broker = QuotaBroker(CONFIG, dead_until)
        for number, budget in enumerate(budgets):
            cost = random.choice([2, 5, 20, 100])
            while budget.take(cost, now):
                spent.append((now, cost))
                cost = random.choice([2, 5, 20, 100])
            demand = Demand(random.uniform(1, 100), random.uniform(0, 500), random.randint(1, 50))
            if random.random() < 0.7:
                if now < dead_until:
                    budget.silent(now)
                else:
                    budget.granted(broker.lease(number, demand, now), now)

    window, held, first = 60.0, 0.0, 0
    for when, units in spent:
        held += units
        while spent[first][0] <= when - window:
            held -= spent[first][1]
            first += 1
        assert held <= 60_000, f"{held} units in the minute before {when}"
    assert sum(units for _, units in spent) > 0.5 * 300 * 1000

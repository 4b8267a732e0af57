"""The day's free units: half at once, the rest over the day, and never more, whatever becomes of the broker."""

from datetime import date, datetime, timedelta
from random import Random

import pytest

from actors.broker import QuotaBroker
from actors.budget import Budget, Demand
from actors.daily_allowance import DailyAllowance
from actors.paced_broker import PacedBroker
from jobs.gmail.config import PACIFIC, GmailConfig
from storage.errors import BackupError

CONFIG = GmailConfig(quota_profile="standard", units_per_day=100_000)
MIDNIGHT = datetime(2026, 11, 24, tzinfo=PACIFIC).timestamp()


class MemoryLedger:
    """As `storage.control.quota_ledger.QuotaLedger`, for one process."""

    def __init__(self) -> None:
        self.days: dict[date, int] = {}
        self.away = False

    def reserve(self, day: date, units: int, most: int) -> tuple[int, int]:
        if self.away:
            raise BackupError("away")
        total = self.days.get(day, 0)
        got = units if total + units <= most else 0
        self.days[day] = total + got
        return total + got, got


class Paced:
    """A paced broker, and a clock."""

    def __init__(self, config: GmailConfig = CONFIG) -> None:
        self.ledger, self.now, self.config = MemoryLedger(), MIDNIGHT, config
        self.restart()

    def restart(self) -> None:
        self.broker = PacedBroker(self.config, lambda: self.ledger, lambda: self.now)

    async def spend(self, hours: float, wanted: float = 1e9, needed: float = 20.0, every_s: float = 60.0) -> float:
        """Ask as a shard that wants units all the time."""
        got, end = 0.0, self.now + hours * 3600
        while self.now < end:
            got += (await self.broker.lease(1, Demand(needed, wanted, 1))).units
            self.now += every_s
        return got


async def test_half_of_the_day_goes_at_once_and_the_rest_over_the_day() -> None:
    paced = Paced()

    morning = await paced.spend(1)
    day = morning + await paced.spend(11)

    assert morning == pytest.approx(50_000 + 50_000 / 24, rel=0.02)
    assert day == pytest.approx(75_000, rel=0.02)


async def test_no_day_ever_costs_more_than_what_is_free_over_any_number_of_restarts() -> None:
    paced, random = Paced(), Random(7)
    by_day: dict[date, float] = {}
    for _ in range(48):
        day = datetime.fromtimestamp(paced.now, PACIFIC).date()
        by_day[day] = by_day.get(day, 0.0) + await paced.spend(1)
        if random.random() < 0.5:
            paced.restart()

    assert [units <= 100_000 for units in by_day.values()] == [True, True]
    assert all(units > 90_000 for units in by_day.values()), "restarts lose little"


async def test_whoever_waits_is_told_until_when() -> None:
    paced = Paced()
    await paced.spend(0.2)

    grant = await paced.broker.lease(1, Demand(500, 1e9, 1))

    assert grant.units == 0 and grant.spent_until is not None
    assert grant.spent_until - paced.now == pytest.approx(500 / 50_000 * 86_400, rel=0.25)
    assert "of the 100,000 units that are free today are spent" in grant.detail
    paced.now = grant.spent_until + 30
    assert (await paced.broker.lease(1, Demand(500, 500, 1))).units == 500


async def test_a_day_that_is_spent_goes_on_at_midnight() -> None:
    paced = Paced()
    await paced.spend(23.9)

    grant = await paced.broker.lease(1, Demand(5_000, 1e9, 1))

    tomorrow = (datetime.fromtimestamp(MIDNIGHT, PACIFIC) + timedelta(days=1)).timestamp()
    assert grant.spent_until == tomorrow
    paced.now = tomorrow + 1
    assert await paced.spend(0.1, needed=5_000) > 0


async def test_shards_share_the_day_by_the_mailboxes_that_wait_in_them() -> None:
    paced = Paced(CONFIG.model_copy(update={"units_per_project": 60_000}))
    got = {1: 0.0, 2: 0.0}
    for _ in range(3000):
        for shard_id, weight in ((1, 3), (2, 1)):
            got[shard_id] += (await paced.broker.lease(shard_id, Demand(1, 1e6, weight))).units
        paced.now += 0.1

    assert got[1] / got[2] == pytest.approx(3, rel=0.1)


async def test_a_call_that_needs_much_gets_its_turn_among_many_that_need_little() -> None:
    paced = Paced()
    await paced.spend(0.2)
    large = 0.0
    for _ in range(24 * 360):
        for shard_id in (1, 2):
            await paced.broker.lease(shard_id, Demand(2, 40, 1))
        large += (await paced.broker.lease(3, Demand(500, 500, 1))).units
        paced.now += 10

    assert large >= 500


async def test_units_that_ran_out_unspent_count_as_not_spent_and_those_of_a_static_share_as_spent() -> None:
    paced = Paced()
    first = (await paced.broker.lease(1, Demand(1_000, 1_000, 1))).units
    paced.now += 60
    first += (await paced.broker.lease(1, Demand(1_000, 1_000, 1))).units
    assert first == 1_000
    daily = paced.broker._daily
    assert daily is not None and daily.spent == 1_000

    await paced.broker.lease(1, Demand(1, 1, 1, unspent=400, alone=50))

    assert daily.spent == pytest.approx(651, abs=2)


async def test_nothing_is_granted_that_could_not_be_reserved() -> None:
    paced = Paced()
    paced.ledger.away = True

    assert await paced.spend(1) == 0
    assert (await paced.broker.lease(1, Demand(20, 20, 1))).spent_until is None
    paced.ledger.away = False
    assert await paced.spend(1) > 0


def test_without_a_broker_a_shard_spends_its_part_of_the_day_evenly() -> None:
    budget, spent = Budget(CONFIG, 4), 0.0
    budget.silent(MIDNIGHT)
    for second in range(86_400):
        if budget.take(0.25, MIDNIGHT + second):
            spent += 0.25

    assert spent == pytest.approx(100_000 / 4, rel=0.2)
    assert budget.settle() == (0.0, spent)
    budget.spent_until(MIDNIGHT + 200_000)
    assert not budget.take(0.25, MIDNIGHT + 100_000)


def test_paid_units_and_projects_without_a_limit_are_not_paced() -> None:
    assert GmailConfig(quota_profile="standard").free_units == 80_000_000
    assert GmailConfig(quota_profile="standard", allow_paid_units=True).free_units is None
    assert GmailConfig(quota_profile="unlimited").free_units is None


def test_a_day_of_23_hours_has_the_whole_allowance() -> None:
    begin = datetime(2027, 3, 14, tzinfo=PACIFIC)
    daily = DailyAllowance(1_000)
    daily.reserved(begin.date(), 1_000, 1_000)

    assert daily.available(begin.timestamp()) == 500
    assert daily.available(begin.timestamp() + 23 * 3600 - 1) == pytest.approx(1_000, abs=0.1)


def test_a_broker_grants_nothing_of_a_day_before_it_is_reserved() -> None:
    broker = QuotaBroker(CONFIG, MIDNIGHT, DailyAllowance(1_000))

    assert sum(broker.lease(1, Demand(1, 100, 1), MIDNIGHT + second) for second in range(60)) == 0


def test_units_that_a_silent_broker_was_not_told_of_are_told_later() -> None:
    budget = Budget(CONFIG, 4)
    budget.silent(MIDNIGHT)
    assert budget.available(MIDNIGHT + 600) == 0
    assert budget.take(0.25, MIDNIGHT + 3600)

    unspent, alone = budget.settle()
    budget.untold(unspent, alone)

    assert alone == 0.25
    assert budget.settle() == (unspent, alone)
    assert budget.settle() == (0.0, 0.0)

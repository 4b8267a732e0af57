"""serve/auth/rate_enforcement.py, actors/rate_limits.py"""

from collections.abc import Mapping
from random import Random

import pytest
from fastapi import APIRouter

from actors.budget import BrokerSilent
from actors.rate_limits import Allowance, Ask, Rate, RateBroker, RatesConfig
from serve.auth.authorization import AccessControl, Caller
from serve.auth.policies import permits, public
from serve.auth.rate_enforcement import Allowances, LocalBroker, RateLimits
from serve.config import ServeConfig
from serve.gateway import application
from serve.http.errors import RateLimited
from tests.unit.serve.fakes import ANN, access_tokens, authentication, client

SMALL = RatesConfig(
    principal=Rate(per_s=10, burst=40), address=Rate(per_s=20, burst=80), login=Rate(per_s=1, burst=8), buckets=3
)
KEY = "principal:1"


def _spend(allowances: Allowances, now: float, cost: float = 1.0) -> bool:
    try:
        allowances.spend(KEY, cost, now)
    except RateLimited as exc:
        assert exc.wait_s > 0
        return False
    return True


def _settle(broker: RateBroker, allowances: Allowances, now: float) -> None:
    asks = allowances.asks(now)
    allowances.settled(asks, broker.settle(asks, now), now)


@pytest.mark.parametrize("seed", range(20))
def test_all_replicas_together_keep_the_rate(seed: int) -> None:
    random, broker = Random(seed), RateBroker(SMALL)
    replicas = [Allowances(SMALL) for _ in range(random.randint(1, 6))]
    passed, now, end = 0, 0.0, 60.0
    while now < end:
        now += random.choice([0.001, 0.01, 0.05])
        replica = random.choice(replicas)
        passed += sum(_spend(replica, now) for _ in range(random.randint(1, 9)))
        if random.random() < 0.3:
            _settle(broker, replica, now)

    ahead = len(replicas) * SMALL.principal.burst / 4
    assert passed <= SMALL.principal.burst + SMALL.principal.per_s * end + 2 * ahead
    assert passed >= SMALL.principal.per_s * end * 0.9  # whoever wants it gets it


def test_who_asks_little_is_never_refused() -> None:
    broker, allowances = RateBroker(SMALL), Allowances(SMALL)
    for step in range(1000):
        assert _spend(allowances, step * 0.125, 1.0)
        _settle(broker, allowances, step * 0.125)


def test_one_caller_takes_nothing_from_another() -> None:
    broker, allowances = RateBroker(SMALL), Allowances(SMALL)
    while _spend(allowances, 0.0):
        _settle(broker, allowances, 0.0)
    assert allowances.spend("principal:2", 1.0, 0.0) > 0


def test_all_together_have_a_limit_of_their_own() -> None:
    config = SMALL.model_copy(update={"total": Rate(per_s=1, burst=15)})
    broker = RateBroker(config)
    assert broker.settle({"principal:1": Ask(0, 10)}, 0.0)["principal:1"].tokens == 10
    assert broker.settle({"principal:2": Ask(0, 10)}, 0.0)["principal:2"].tokens == 5
    refused = broker.settle({"principal:3": Ask(0, 10)}, 0.0)["principal:3"]
    assert (refused.tokens, refused.wait_s > 0) == (0, True)


def test_without_its_broker_a_replica_goes_on_with_a_static_share() -> None:
    allowances, passed = Allowances(SMALL), 0
    for step in range(400):
        now = step * 0.25
        passed += sum(_spend(allowances, now) for _ in range(20))
        asks = allowances.asks(now)
        assert allowances.silent(asks, 0.25) == (step == 0)
    assert 100 * SMALL.principal.per_s / 4 * 0.9 < passed <= 100 * SMALL.principal.per_s / 4 + SMALL.principal.burst


def test_the_callers_that_are_remembered_are_bounded() -> None:
    broker, allowances = RateBroker(SMALL), Allowances(SMALL)
    for number in range(10):
        allowances.spend(f"principal:{number}", 1.0, 0.0)
    asks = allowances.asks(0.0)
    assert list(asks) == ["principal:7", "principal:8", "principal:9"]
    broker.settle({f"principal:{number}": Ask(1, 1) for number in range(10)}, 0.0)
    assert len(broker._buckets) == SMALL.buckets


async def test_a_caller_is_told_what_is_left_and_when_to_come_back() -> None:
    router, tokens = APIRouter(prefix="/api/v1/things"), access_tokens()

    @router.get("")
    @permits(cost=4)
    async def things(principal: Caller) -> str:
        return principal.email

    @router.post("/login")
    @public(login=True)
    async def login() -> str:
        return "in"

    door = AccessControl(authentication(tokens).authenticate, RateLimits(SMALL, LocalBroker(SMALL)))
    bearer = {"Authorization": f"Bearer {tokens.issue(ANN)}"}
    async with client(application("things", [router], ServeConfig(), door)) as http:
        first = await http.get("/api/v1/things", headers=bearer)
        assert first.headers["ratelimit-policy"] == '"principal";q=40;w=4'
        assert first.headers["ratelimit"].startswith('"principal";r=6')
        second = await http.get("/api/v1/things", headers=bearer)
        third = await http.get("/api/v1/things", headers=bearer)
        assert (second.status_code, third.status_code) == (200, 429)
        assert third.json()["code"] == "rate_limited"
        assert int(third.headers["retry-after"]) >= 1

        logins = [(await http.post("/api/v1/things/login")).status_code for _ in range(4)]
        assert logins == [200, 200, 429, 429]

        guesses = [(await http.get("/api/v1/things")).status_code for _ in range(20)]
        assert guesses[0] == 401
        assert guesses[-1] == 429  # of the address, before anybody is known


class _Silent:
    async def settle(self, asks: Mapping[str, Ask]) -> dict[str, Allowance]:
        raise BrokerSilent("gone")


async def test_a_silent_broker_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    limits = RateLimits(SMALL, _Silent())
    for _ in range(3):
        limits.spend("principal", "1", 1.0)
        assert await limits.settle_once()
    assert [record.getMessage() for record in caplog.records if record.name == "serve.auth.rate_enforcement"] == [
        "Rates are shared statically: their broker is silent (gone)"
    ]

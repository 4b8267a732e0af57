"""Rate limits of the gateway's callers, shared by all replicas: the settings, and the broker of the grants.

A replica may spend some tokens before they are granted and settles afterwards, so no request waits for the broker.
Every caller has a bucket, and all callers of a kind share one; a grant is taken from both. All replicas together permit
at most the tokens of the bucket and the amount that each may spend in advance (serve/auth/rate_enforcement.py). Pure;
the clock is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cachetools import LRUCache
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt

from jobs.quota import Bucket


class Rate(BaseModel, frozen=True):
    """A bucket of tokens; a lookup costs one, a list five (serve/auth/policies.py)."""

    per_s: PositiveFloat = Field(description="tokens added per second")
    burst: PositiveFloat = Field(description="capacity of the bucket, in tokens")


class RatesConfig(BaseModel, frozen=True):
    """The rate limits, by kind of caller (setting `serve.rates`)."""

    principal: Rate = Field(Rate(per_s=1000, burst=10_000), description="limit of one user, over all keys and sessions")
    address: Rate = Field(Rate(per_s=2000, burst=20_000), description="limit of one client address, signed in or not")
    login: Rate = Field(Rate(per_s=0.5, burst=40), description="limit of sign-in attempts of one client address")
    total: Rate = Field(
        Rate(per_s=10_000, burst=100_000), description="limit of all users together, and of all addresses together"
    )
    settle_s: PositiveFloat = Field(0.25, description="seconds between two settlements of a replica")
    buckets: PositiveInt = Field(
        50_000, description="maximum number of callers with a bucket; the least recent is evicted"
    )

    def of(self, key: str) -> Rate:
        """The rate of a bucket named KIND:CALLER."""
        rate: Rate = getattr(self, key.partition(":")[0])
        return rate


@dataclass(frozen=True, slots=True)
class Ask:
    """The tokens that a replica has spent in advance since it last settled, and the tokens that it requests."""

    spent: float
    wanted: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """Granted tokens; if 0, the seconds until tokens are available."""

    tokens: float
    wait_s: float = 0.0


class RateBroker:
    """Keeps the buckets."""

    def __init__(self, config: RatesConfig) -> None:
        self._config = config
        self._buckets: LRUCache[str, _Account] = LRUCache(config.buckets)
        self._totals: dict[str, _Account] = {}

    def settle(self, asks: Mapping[str, Ask], now: float) -> dict[str, Allowance]:
        """The allowances of each caller's replica."""
        return {key: self._settle(key, ask, now) for key, ask in asks.items()}

    def _settle(self, key: str, ask: Ask, now: float) -> Allowance:
        account, total = self._account(key, now), self._total(key, now)
        account.owe(ask.spent)
        total.owe(ask.spent)
        tokens = max(min(ask.wanted, account.available(now), total.available(now)), 0.0)
        account.owe(tokens)
        total.owe(tokens)
        wait_s = 0.0 if tokens > 0 or ask.wanted <= 0 else max(account.wait_s(now), total.wait_s(now))
        return Allowance(tokens, wait_s)

    def _account(self, key: str, now: float) -> "_Account":
        account = self._buckets.get(key)
        if account is None:
            account = self._buckets[key] = _Account(self._config.of(key), now)
        return account

    def _total(self, key: str, now: float) -> "_Account":
        kind = key.partition(":")[0]
        if kind not in self._totals:
            self._totals[kind] = _Account(self._config.total, now)
        return self._totals[kind]


class _Account:
    """A bucket that may be negative, because tokens are spent in advance: at most its burst below zero."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate, self._bucket, self._debt = rate, Bucket(rate.per_s, rate.burst, now), 0.0

    def owe(self, tokens: float) -> None:
        self._debt = min(self._debt + tokens, 2 * self._rate.burst)

    def available(self, now: float) -> float:
        self._pay(now)
        return self._bucket.available(now) - self._debt

    def wait_s(self, now: float) -> float:
        self._pay(now)
        return max((self._debt + 1.0 - self._bucket.available(now)) / self._rate.per_s, 0.0)

    def _pay(self, now: float) -> None:
        paid = min(self._debt, self._bucket.available(now))
        self._bucket.take(paid, now)
        self._debt -= paid

"""Enforces rate limits: by address before authentication, then by user.

A replica decides at once, from the tokens that the broker granted (actors/rate_limits.py) and a few that it may spend
in advance, and settles later, for all callers in one call. While the broker does not answer, each caller has a static
share.
"""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from actors.budget import BrokerSilent
from actors.rate_limits import Allowance, Ask, RateBroker, RatesConfig
from serve.http.errors import RateLimited

_LOG = logging.getLogger(__name__)
#: Share of a bucket that a replica may spend before the broker's first answer: four replicas, one bucket.
_AHEAD = 0.25


class Broker(Protocol):
    """Settles for a replica. `actors.remote.rate_limits.RateClient` is one."""

    async def settle(self, asks: Mapping[str, Ask]) -> dict[str, Allowance]:
        """Raises BrokerSilent."""


class LocalBroker:
    """A broker in this process, for a single replica."""

    def __init__(self, config: RatesConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker, self._clock = RateBroker(config), clock

    async def settle(self, asks: Mapping[str, Ask]) -> dict[str, Allowance]:
        return self._broker.settle(asks, self._clock())


@dataclass(slots=True)
class _Hand:
    """A replica's tokens for one caller. held: granted; spent: ahead of any grant, not settled yet."""

    held: float = 0.0
    spent: float = 0.0
    used_at: float = 0.0
    empty_until: float = 0.0  # the broker granted nothing


class Allowances:
    """One replica's part of every caller's rate. Pure; the clock is an argument."""

    def __init__(self, config: RatesConfig) -> None:
        self._config = config
        self._hands: OrderedDict[str, _Hand] = OrderedDict()
        self._broker_silent = False

    def spend(self, key: str, cost: float, now: float) -> float:
        """Spend the cost of a request; return the remaining tokens of this replica.

        Raises:
            RateLimited.
        """
        hand = self._hands.get(key)
        if hand is None:
            hand = self._hands[key] = _Hand()
            if len(self._hands) > self._config.buckets:
                self._hands.popitem(last=False)
        self._hands.move_to_end(key)
        left = self._left(key, hand, now)
        if left < cost:
            raise RateLimited(max(hand.empty_until - now, (cost - left) / self._config.of(key).per_s, 0.1))
        held = min(hand.held, cost)
        hand.held -= held
        hand.spent += cost - held
        hand.used_at = now
        return left - cost

    def asks(self, now: float) -> dict[str, Ask]:
        """The settlements of recent callers."""
        asks = {}
        for key, hand in self._hands.items():
            lacks = self._ahead(key) - hand.held
            if hand.spent > 0 or (lacks > 0 and hand.used_at > now - 2 and hand.empty_until <= now):
                asks[key] = Ask(hand.spent, max(lacks, 0.0))
        return asks

    def settled(self, asks: Mapping[str, Ask], grants: Mapping[str, Allowance], now: float) -> None:
        """The broker answered."""
        self._broker_silent = False
        for key, grant in grants.items():
            if hand := self._hands.get(key):
                hand.spent = max(hand.spent - asks[key].spent, 0.0)
                hand.held += grant.tokens
                hand.empty_until = now + grant.wait_s

    def silent(self, asks: Mapping[str, Ask], seconds: float) -> bool:
        """The broker has not answered for `seconds`: refill a static share instead. True the first time."""
        first, self._broker_silent = not self._broker_silent, True
        for key in asks:
            if hand := self._hands.get(key):
                hand.spent = max(hand.spent - self._config.of(key).per_s * _AHEAD * seconds, 0.0)
                hand.empty_until = 0.0
        return first

    def _left(self, key: str, hand: _Hand, now: float) -> float:
        ahead = 0.0 if now < hand.empty_until else max(self._ahead(key) - hand.spent, 0.0)
        return hand.held + ahead

    def _ahead(self, key: str) -> float:
        return self._config.of(key).burst * _AHEAD


class RateLimits:
    """The allowances of one replica and their settling, which begins with the first request."""

    def __init__(self, config: RatesConfig, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._broker, self._clock = config, broker, clock
        self._allowances = Allowances(config)
        self._settling: asyncio.Task[None] | None = None

    def spend(self, kind: str, caller: str, cost: float) -> dict[str, str]:
        """Take a request's cost from a caller's rate; returns the headers that tell what is left.

        Raises:
            RateLimited.
        """
        if cost <= 0:
            return {}
        if self._settling is None or self._settling.done():
            self._settling = asyncio.get_running_loop().create_task(self._settle())
        rate = self._config.of(kind)
        left = self._allowances.spend(f"{kind}:{caller}", cost, self._clock())
        # draft-ietf-httpapi-ratelimit-headers-10: q the quota, w its window in seconds, r what is left of it.
        return {
            "RateLimit-Policy": f'"{kind}";q={int(rate.burst)};w={math.ceil(rate.burst / rate.per_s)}',
            "RateLimit": f'"{kind}";r={int(left)};t={math.ceil(1 / rate.per_s)}',
        }

    async def settle_once(self) -> bool:
        """Settle what there is; False when there is nothing."""
        asks = self._allowances.asks(self._clock())
        if not asks:
            return False
        try:
            grants = await self._broker.settle(asks)
        except BrokerSilent as exc:
            if self._allowances.silent(asks, self._config.settle_s):
                _LOG.warning("Rates are shared statically: their broker is silent (%s)", exc.args[0])
        else:
            self._allowances.settled(asks, grants, self._clock())
        return True

    async def _settle(self) -> None:
        """Until nobody has asked for a while; the next request begins anew."""
        while True:
            await asyncio.sleep(self._config.settle_s)
            if not await self.settle_once():
                return

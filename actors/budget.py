"""One shard's part of the project's quota: leases of the broker, or a static share while the broker does not answer.

Never more than the project's limit in any minute, over all shards together:

- The broker grants at most `capacity + rate * w` units in any w seconds, and a lease is spent within a second or
  lost. So units spent in a minute were leased within 61 s, and `rate` is computed for 61 s.
- When the broker stops answering, a shard waits until all of its possible leases have expired, then spends at most
  `rate / shards`, from an empty bucket. All shards together are then one bucket of that rate.
- Where only a daily number of units is free, the static share is that number spread over the day, and nothing while
  the day's units were spent at the broker's last answer.
- A new broker starts empty and waits (actors/broker.py) until leases have expired and shards have heard of it.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from jobs.gmail.config import GmailConfig
from jobs.quota import Bucket
from storage.errors import BackupError

#: Share of a minute for which leased units may be spent.
_LEASE = 1 / 60
#: Share of a project's minute that may be spent at once. The rest becomes available evenly.
_BURST = 0.02
_DAY_S = 86_400


def lease_s(config: GmailConfig) -> float:
    """Seconds for which leased units may be spent."""
    return config.quota_minute_s * _LEASE


def project_bucket(config: GmailConfig, now: float, share: float = 1.0, per_day: int | None = None) -> Bucket | None:
    """A bucket for the project's limit per minute, or one shard's share of the limit; None without a limit.

    per_day: limit of units a day, spread evenly.
    """
    limit = config.quota.units_per_minute_per_project
    if limit is None:
        return None
    allowed = limit * share
    rate = allowed * (1 - _BURST) / (config.quota_minute_s + lease_s(config))
    if per_day is not None:
        rate = min(rate, per_day * share / _DAY_S)
    return Bucket(rate, allowed * _BURST, now)


@dataclass(frozen=True, slots=True)
class Demand:
    """A shard's request to the broker.

    needed: units of the smallest waiting call; wanted: units that could be spent at once; weight: waiting mailboxes.
    unspent: leased units that expired since the last request; alone: units spent from the static share since then.
    """

    needed: float
    wanted: float
    weight: float
    unspent: float = 0.0
    alone: float = 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """The broker's answer: units, good for `lease_s`.

    spent_until: when units become available, if the day's free units are spent (seconds since 1970).
    detail: the text of that reason.
    """

    units: float
    spent_until: float | None = None
    detail: str = ""


class Budget:
    """The project's units that a shard may spend."""

    def __init__(self, config: GmailConfig, shards: int) -> None:
        self._config, self._shards = config, shards
        self._limited = config.quota.units_per_minute_per_project is not None
        self._lease_s = lease_s(config)
        bucket = project_bucket(config, 0.0, 1 / shards)
        self._most = bucket.capacity if bucket else math.inf
        self._leases: deque[tuple[float, float]] = deque()  # (expiry, units), oldest first
        self._unspent = self._alone = 0.0  # not yet reported to the broker
        self._spent_until = -math.inf  # until then, the day's free units are spent
        self._static: Bucket | None = None
        self._static_from: float | None = None  # since when the broker does not answer

    @property
    def limited(self) -> bool:
        """Whether the project has a limit at all."""
        return self._limited

    @property
    def most(self) -> float:
        """Units that one shard can hold when all shards have demand."""
        return self._most

    def available(self, now: float) -> float:
        """Units that may be spent now."""
        if not self._limited:
            return math.inf
        if self._static_from is not None and now >= self._static_from:
            return self._static_bucket(now).available(now) if now >= self._spent_until else 0.0
        while self._leases and self._leases[0][0] <= now:
            self._unspent += self._leases.popleft()[1]
        return sum(units for _, units in self._leases)

    def leased(self, now: float) -> float:
        """Unspent units of leases that have not expired."""
        return sum(units for until, units in self._leases if until > now)

    @property
    def static(self) -> bool:
        """Whether the static share is used, or will be, because the broker does not answer."""
        return self._static_from is not None

    def take(self, units: float, now: float) -> bool:
        """Spend units if they are available."""
        if self.available(now) < units:
            return False
        if self._static is not None:
            self._alone += units
            return self._static.take(units, now)
        while self._limited and units > 0:
            until, leased = self._leases.popleft()
            if leased > units:
                self._leases.appendleft((until, leased - units))
            units -= leased
        return True

    def granted(self, units: float, now: float) -> None:
        """Record the broker's answer, also one of no units."""
        self._static = self._static_from = None
        if units > 0:
            self._leases.append((now + self._lease_s, units))

    def spent_until(self, when: float) -> None:
        """Until when the day's free units are spent, by the broker's last answer."""
        self._spent_until = when

    def settle(self) -> tuple[float, float]:
        """Leased units that expired unspent, and units spent from the static share; each is returned once."""
        unreported = self._unspent, self._alone
        self._unspent = self._alone = 0.0
        return unreported

    def untold(self, unspent: float, alone: float) -> None:
        """The result of `settle` did not reach the broker: the next `settle` returns it again."""
        self._unspent += unspent
        self._alone += alone

    def silent(self, now: float) -> None:
        """Record that the broker did not answer."""
        if self._static_from is None:
            self._static_from = now + 2 * self._lease_s  # leases of this shard and of others have expired

    def pause(self, seconds: float, now: float) -> None:
        """Discard all leased units, because Gmail refused the project."""
        self._unspent += sum(units for _, units in self._leases)
        self._leases.clear()
        if self._static is not None:
            self._static.pause(seconds, now)

    def _static_bucket(self, now: float) -> Bucket:
        if self._static is None:
            bucket = project_bucket(self._config, now, 1 / self._shards, self._config.free_units)
            assert bucket is not None
            bucket.take(bucket.capacity, now)
            self._static = bucket
        return self._static


class BrokerSilent(BackupError):
    """The quota broker does not answer and is being replaced; continue with the static share of the quota."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The quota broker does not answer ({self.reason}): use the static share of the quota."


class Broker(Protocol):
    """The project's quota. Both raise BrokerSilent."""

    async def lease(self, shard_id: int, demand: Demand) -> Grant:
        """Units granted, good for `budget.lease_s`."""

    async def throttled(self, seconds: float) -> None:
        """Record that Gmail refused the whole project for this time."""

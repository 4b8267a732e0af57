"""One shard's part of the project's quota: leases of the broker, or a static share while the broker does not answer.

Never more than the project's limit in any minute, over all shards together:

- The broker lets at most `capacity + rate * w` units through in any w seconds, and a lease is spent within a second or
  lost; so units spent in a minute were leased within 61 s, and `rate` is computed for that.
- When the broker stops answering, a shard waits until all leases that it may have given have expired, then spends at
  most `rate / shards`, from nothing. All shards together are then one bucket of that rate.
- A new broker starts with 0 units and waits (actors/broker.py) until old leases have expired and shards know it.
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
#: Share of a project's minute that may go at once. The rest drips.
_BURST = 0.02


def lease_s(config: GmailConfig) -> float:
    """Seconds for which leased units may be spent."""
    return config.quota_minute_s * _LEASE


def project_bucket(config: GmailConfig, now: float, share: float = 1.0) -> Bucket | None:
    """A bucket that keeps the project's limit per minute, or one shard's share of it; None without a limit."""
    limit = config.quota.units_per_minute_per_project
    if limit is None:
        return None
    allowed = limit * share
    return Bucket(allowed * (1 - _BURST) / (config.quota_minute_s + lease_s(config)), allowed * _BURST, now)


@dataclass(frozen=True, slots=True)
class Demand:
    """A shard's request to the broker.

    needed: minimum units for the next call; wanted: units that could be spent at once; weight: waiting mailboxes.
    """

    needed: float
    wanted: float
    weight: float


class Budget:
    """The project's units that a shard may spend."""

    def __init__(self, config: GmailConfig, shards: int) -> None:
        self._config, self._shards = config, shards
        self._limited = config.quota.units_per_minute_per_project is not None
        self._lease_s = lease_s(config)
        bucket = project_bucket(config, 0.0, 1 / shards)
        self._most = bucket.capacity if bucket else math.inf
        self._leases: deque[tuple[float, float]] = deque()  # (until when, units), oldest first
        self._static: Bucket | None = None
        self._static_from: float | None = None  # the broker is silent: from then on

    @property
    def limited(self) -> bool:
        """Whether the project has a limit at all."""
        return self._limited

    @property
    def most(self) -> float:
        """Units that one shard can have at once when all shards have demand."""
        return self._most

    def available(self, now: float) -> float:
        """Units that may be spent now."""
        if not self._limited:
            return math.inf
        if self._static_from is not None and now >= self._static_from:
            return self._static_bucket(now).available(now)
        while self._leases and self._leases[0][0] <= now:
            self._leases.popleft()
        return sum(units for _, units in self._leases)

    def leased(self, now: float) -> float:
        """Unspent units of leases that have not expired."""
        return sum(units for until, units in self._leases if until > now)

    @property
    def static(self) -> bool:
        """Whether the broker is silent, so that the static share is or will be spent."""
        return self._static_from is not None

    def take(self, units: float, now: float) -> bool:
        """Spend units if they are available."""
        if self.available(now) < units:
            return False
        if self._static is not None:
            return self._static.take(units, now)
        while self._limited and units > 0:
            until, leased = self._leases.popleft()
            if leased > units:
                self._leases.appendleft((until, leased - units))
            units -= leased
        return True

    def granted(self, units: float, now: float) -> None:
        """The broker answered, whatever it granted."""
        self._static = self._static_from = None
        if units > 0:
            self._leases.append((now + self._lease_s, units))

    def silent(self, now: float) -> None:
        """The broker did not answer."""
        if self._static_from is None:
            self._static_from = now + 2 * self._lease_s  # ours has run out, and so has what others got just before

    def pause(self, seconds: float, now: float) -> None:
        """Gmail refused the project: discard the leased units."""
        self._leases.clear()
        if self._static is not None:
            self._static.pause(seconds, now)

    def _static_bucket(self, now: float) -> Bucket:
        if self._static is None:
            bucket = project_bucket(self._config, now, 1 / self._shards)
            assert bucket is not None
            bucket.take(bucket.capacity, now)
            self._static = bucket
        return self._static


class BrokerSilent(BackupError):
    """The quota broker does not answer. It is being replaced; go on with the static share of the quota."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"The quota broker does not answer ({self.reason}): use the static share of the quota."


class Broker(Protocol):
    """The project's quota. Both raise BrokerSilent."""

    async def lease(self, shard_id: int, demand: Demand) -> float:
        """Units granted, good for `budget.lease_s`."""

    async def throttled(self, seconds: float) -> None:
        """Gmail refused the whole project for so long."""

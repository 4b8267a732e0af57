"""Divides the project's quota among the shards, by their numbers of waiting mailboxes, within Gmail's limit.

Fluid fair queueing (A. Demers, S. Keshav, S. Shenker: "Analysis and Simulation of a Fair Queueing Algorithm", 1989): as
units become available, every shard with demand earns them in proportion to its waiting mailboxes, up to its demand;
the others earn the rest. Pure; the clock is an argument. One process holds it
(actors/remote/quota.py).
"""

from dataclasses import dataclass

from actors.budget import Demand, lease_s, project_bucket
from actors.daily_allowance import DailyAllowance
from jobs.gmail.config import GmailConfig

#: A new broker does not know its predecessor's leases. It waits for this number of lease times, in which leases
#: expire and shards that use their static shares hear of it.
_GRACE = 2
#: Factor of the rate after Gmail refused the whole project, its minimum, and the share of the full rate that returns
#: per second: other programs spend the project's units, too, and their number is unknown.
_CUT, _LEAST, _RECOVERY_PER_S = 0.8, 0.1, 0.01


@dataclass(slots=True)
class _Claim:
    """A shard's demand, the units earned towards it, the time of its request and of its last grant."""

    wanted: float = 0.0
    weight: float = 1.0
    earned: float = 0.0
    asked_at: float = 0.0
    served_at: float = 0.0


class QuotaBroker:
    """Leases portions of the project's units."""

    def __init__(self, config: GmailConfig, now: float, daily: DailyAllowance | None = None) -> None:
        """daily: the day's free units; None: no daily limit."""
        self._daily = daily
        bucket = project_bucket(config, now)
        self._limited = bucket is not None
        self._rate, self._capacity = (bucket.rate, bucket.capacity) if bucket else (0.0, 0.0)
        self._claims: dict[int, _Claim] = {}
        self._reserve = 0.0  # available and unclaimed
        self._factor = 1.0
        self._lease_s = lease_s(config)
        self._at = now + _GRACE * self._lease_s
        self.granted_units = 0.0  # in all, by this broker

    @property
    def capacity(self) -> float:
        """Units that may be spent at once."""
        return self._capacity

    @property
    def factor(self) -> float:
        """Share of the full rate that is leased since Gmail last refused the project."""
        return self._factor

    def lease(self, shard_id: int, demand: Demand, now: float) -> float:
        """Units granted for `budget.lease_s`: at least those of the next call, or none."""
        wanted = max(demand.wanted, demand.needed)
        if not self._limited:
            return wanted
        if self._daily is not None:
            self._daily.give_back(demand.unspent)
            self._daily.take(demand.alone)
        self._advance(now)
        if self._daily is not None and self._held() > (today := self._daily.available(now)):
            self._shrink(today)
        claim = self._claims.setdefault(shard_id, _Claim())
        claim.wanted, claim.weight, claim.asked_at = wanted, max(demand.weight, 1.0), now
        if claim.earned + self._reserve < demand.needed:
            self._pool(claim)
        if claim.earned + self._reserve < demand.needed:
            return 0.0  # the shard keeps earning: a part of a call's units would expire before the rest arrives
        earned = min(wanted, claim.earned)
        spare = min(wanted - earned, self._reserve)
        claim.earned -= earned
        self._reserve -= spare
        claim.wanted -= earned + spare
        claim.served_at = now
        self.granted_units += earned + spare
        if self._daily is not None:
            self._daily.take(earned + spare)
        return earned + spare

    def throttled(self, seconds: float, now: float) -> None:
        """Pause and then reduce grants, because Gmail refused a call for the project's quota."""
        self._advance(now)
        if now >= self._at:  # simultaneous refusals carry no further information
            self._factor = max(self._factor * _CUT, _LEAST)
        self._reserve = 0.0
        for claim in self._claims.values():
            claim.earned = 0.0
        self._at = max(self._at, now + seconds)

    def _pool(self, claim: _Claim) -> None:
        """If all units are earned and no shard has enough for a call, pool them for the shard that waits longest."""
        longest = min(self._claims.values(), key=lambda other: other.served_at)
        if claim is not longest or self._held() < self._most(self._at) * 0.999:
            return
        for other in self._claims.values():
            if other is not claim:
                claim.earned += other.earned
                other.earned = 0.0

    def _held(self) -> float:
        return self._reserve + sum(claim.earned for claim in self._claims.values())

    def _most(self, now: float) -> float:
        """Maximum number of units that may be held now."""
        return self._capacity if self._daily is None else min(self._capacity, self._daily.available(now))

    def _shrink(self, units: float) -> None:
        """Reduce the held units to this number: a day has ended, or shards spent units of their static shares."""
        share = units / self._held()
        self._reserve *= share
        for claim in self._claims.values():
            claim.earned *= share

    def _advance(self, now: float) -> None:
        """Distribute the units that have become available."""
        elapsed = now - self._at
        if elapsed <= 0:
            return
        self._at = now
        for shard_id, claim in list(self._claims.items()):
            if claim.asked_at < now - self._lease_s:  # a shard with demand asks ten times in this period
                self._reserve += claim.earned
                del self._claims[shard_id]
        units = min(self._rate * self._factor * elapsed, max(self._most(now) - self._held(), 0.0))
        self._factor = min(self._factor + _RECOVERY_PER_S * elapsed, 1.0)
        self._reserve = _earn(list(self._claims.values()), self._reserve + units)


def _earn(claims: list[_Claim], units: float) -> float:
    """Distribute units by weight, to no shard more than it wants (max-min fair); return the rest."""
    wanting = sorted(
        (claim for claim in claims if claim.wanted > claim.earned),
        key=lambda claim: (claim.wanted - claim.earned) / claim.weight,
    )
    weight = sum(claim.weight for claim in wanting)
    for claim in wanting:
        share = min(units * claim.weight / weight, claim.wanted - claim.earned)
        claim.earned += share
        units -= share
        weight -= claim.weight
    return units

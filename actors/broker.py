"""Shares the project's budget among the shards: never more than Gmail allows, to each by the weight of what it does.

Fluid fair queueing (A. Demers, S. Keshav, S. Shenker: "Analysis and Simulation of a Fair Queueing Algorithm", 1989): as
units become available, every shard that wants some earns them in proportion to its mailboxes that wait, up to what it
wants; what one does not want the others earn. Pure; the clock is an argument. One process holds it
(actors/remote/quota.py).
"""

from dataclasses import dataclass

from actors.budget import Demand, lease_s, project_bucket
from actors.daily_allowance import DailyAllowance
from jobs.gmail.config import GmailConfig

#: A new broker does not know what the one before it has leased: it waits for so many lease times, in which leases run
#: out and shards that spend their static shares hear of it.
_GRACE = 2
#: What a refusal of Gmail's for the whole project leaves of the rate, how low it gets, and how much of the full rate
#: comes back per second: somebody else spends the project's units too, and nobody says how many.
_CUT, _LEAST, _RECOVERY_PER_S = 0.8, 0.1, 0.01


@dataclass(slots=True)
class _Claim:
    """What one shard wants, what it has earned of it, when it asked and when it last got some."""

    wanted: float = 0.0
    weight: float = 1.0
    earned: float = 0.0
    asked_at: float = 0.0
    served_at: float = 0.0


class QuotaBroker:
    """Leases slices of the project's units."""

    def __init__(self, config: GmailConfig, now: float, daily: DailyAllowance | None = None) -> None:
        """daily: the day's free units; None: as many as the limits per minute allow."""
        self._daily = daily
        bucket = project_bucket(config, now)
        self._limited = bucket is not None
        self._rate, self._capacity = (bucket.rate, bucket.capacity) if bucket else (0.0, 0.0)
        self._claims: dict[int, _Claim] = {}
        self._reserve = 0.0  # available, and wanted by nobody
        self._factor = 1.0
        self._lease_s = lease_s(config)
        self._at = now + _GRACE * self._lease_s
        self.granted_units = 0.0  # ever, by this broker

    @property
    def capacity(self) -> float:
        """Units that may go at once."""
        return self._capacity

    @property
    def factor(self) -> float:
        """Share of the full rate that is leased since Gmail last refused the project."""
        return self._factor

    def lease(self, shard_id: int, demand: Demand, now: float) -> float:
        """Units granted, good for `budget.lease_s`: at least what the next call needs, or none."""
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
            return 0.0  # it goes on earning: parts of what a call needs would run out before they are enough
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
        """Gmail refused a call because the project has spent its units: nothing for a while, then less than before."""
        self._advance(now)
        if now >= self._at:  # further refusals of the same moment say nothing new
            self._factor = max(self._factor * _CUT, _LEAST)
        self._reserve = 0.0
        for claim in self._claims.values():
            claim.earned = 0.0
        self._at = max(self._at, now + seconds)

    def _pool(self, claim: _Claim) -> None:
        """When all that may be held is held and nobody has enough, let who waits longest have it: else nobody would."""
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
        """Units that may be held now."""
        return self._capacity if self._daily is None else min(self._capacity, self._daily.available(now))

    def _shrink(self, units: float) -> None:
        """Hold no more than so many units: a day has ended, or the shards spent some by themselves."""
        share = units / self._held()
        self._reserve *= share
        for claim in self._claims.values():
            claim.earned *= share

    def _advance(self, now: float) -> None:
        """Let what became available since the last time be earned."""
        elapsed = now - self._at
        if elapsed <= 0:
            return
        self._at = now
        for shard_id, claim in list(self._claims.items()):
            if claim.asked_at < now - self._lease_s:  # one that wants asks every tenth of this
                self._reserve += claim.earned
                del self._claims[shard_id]
        units = min(self._rate * self._factor * elapsed, max(self._most(now) - self._held(), 0.0))
        self._factor = min(self._factor + _RECOVERY_PER_S * elapsed, 1.0)
        self._reserve = _earn(list(self._claims.values()), self._reserve + units)


def _earn(claims: list[_Claim], units: float) -> float:
    """Deal units out by weight, to none more than it wants (max-min fair); returns what nobody wants."""
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

"""Gmail's quota, shared: a bucket per user in the shard that owns it, the project's budget leased from one broker.

A call is let out when its user's bucket and the shard's lease both have its units. Pure; the clock is an argument.
"""

import math

from actors.decisions import Call, Compare, Fetch, ListPage, ReadHistory, Watch
from jobs.gmail.config import GmailConfig
from jobs.gmail.quota_costs import PROFILES, cost
from jobs.quota import Bucket

#: Share of a minute's units that may go at once. The rest drips, so no minute can exceed the limit; utilisation is
#: then at most 1 - BURST.
BURST = 0.03
#: A fetch waits until the bucket has units for this many messages, or is half full: a task costs the same for one
#: message as for many (legacy profile, 4 at least: 6 ms of CPU per message in owners and tasks).
_LEAST_FETCH = 25
#: Units per minute that stand for "no limit".
_NO_LIMIT = 10**12


class ShardQuota:
    """What one shard may ask of Gmail now."""

    def __init__(self, config: GmailConfig) -> None:
        self._config = config
        self._profile = PROFILES[config.quota_profile]
        self._users: dict[int, Bucket] = {}
        self._lease = 0.0 if self._profile.units_per_minute_per_project else math.inf  # project units in hand
        self._wanted = 0.0  # project units that calls were refused for

    def cost(self, call: Call) -> int:
        """Units of a call; a Pin reads the profile and the labels, and a Compare asks Gmail for nothing."""
        if isinstance(call, Fetch):
            return self._cost("messages.get", len(call.message_ids))
        if isinstance(call, ListPage):
            return self._cost("messages.list", 1)
        if isinstance(call, ReadHistory):
            return self._cost("history.list", 1)
        if isinstance(call, Watch):
            return self._cost("watch", 1)
        if isinstance(call, Compare):
            return 0
        return self._cost("getProfile", 1) + self._cost("labels.list", 1)

    def fetchable(self, user_id: int, count: int, now: float) -> int:
        """How many of `count` messages may be fetched now; 0 until a handful may, unless fewer are left."""
        if count == 0:
            return 0
        each = self._each()
        units = self._bucket(user_id, now).available(now)
        if min(units // each, count) > self._lease // each:
            self._want(min(units, count * each))
        allowed = min(units // each, self._lease // each, count)
        return int(allowed) if allowed >= min(count, self._handful(user_id, now)) else 0

    def take(self, user_id: int, call: Call, now: float) -> bool:
        """Reserve a call's units; False when they are not there yet."""
        units = self.cost(call)
        if self._lease < units:
            self._want(units)
            return False
        if not self._bucket(user_id, now).take(units, now):
            return False
        self._lease -= units
        return True

    def settle(self, call: Call, units: int) -> None:
        """A call is over and cost `units`: what it did not cost returns to the lease, never to the user's bucket."""
        self._lease += self.cost(call) - units

    def pause(self, user_id: int, scope: str, seconds: float, now: float) -> None:
        """Gmail asked for a pause. A project-wide one also gives up what is leased."""
        if scope == "project" and self._profile.units_per_minute_per_project:
            self._lease = 0.0
        self._bucket(user_id, now).pause(seconds, now)

    def ready_at(self, user_id: int, call: Call | None, now: float) -> float:
        """When this user's bucket will allow a call, or a handful of messages; the lease is told, not awaited."""
        units = self._each() * self._handful(user_id, now) if call is None else self.cost(call)
        return self._bucket(user_id, now).ready_at(units, now)

    def wanted(self) -> float:
        """Project units to lease; 0 when there is enough in hand or no limit."""
        return max(self._wanted - self._lease, 0.0)

    def granted(self, units: float) -> None:
        """The broker leased these; what calls still miss they say again."""
        self._lease += units
        self._wanted = 0.0

    def _want(self, units: float) -> None:
        self._wanted = max(self._wanted, units)

    def _handful(self, user_id: int, now: float) -> int:
        """Messages that a fetch waits for: never more than half of what the bucket can hold."""
        return max(min(_LEAST_FETCH, int(self._bucket(user_id, now).capacity / 2 // self._each())), 1)

    def _each(self) -> int:
        return max(self._cost("messages.get", 1), 1)

    def _cost(self, method: str, calls: int) -> int:
        return cost(self._config.quota_profile, method, calls, self._config.cost_overrides)

    def _bucket(self, user_id: int, now: float) -> Bucket:
        bucket = self._users.get(user_id)
        if bucket is None:
            bucket = self._users[user_id] = _bucket(self._profile.units_per_minute_per_user, now)
            bucket.take(bucket.capacity, now)  # an owner cannot know what the one before it has just spent
        return bucket


class QuotaBroker:
    """Leases the project's units to shards: never more than the project's budget, to each at most its share."""

    def __init__(self, config: GmailConfig, shards: int, now: float) -> None:
        self._shards = shards
        self._bucket = _bucket(PROFILES[config.quota_profile].units_per_minute_per_project, now)

    def lease(self, wanted: float, now: float) -> float:
        """Units granted: up to `wanted`, at most one shard's share of what is there."""
        units = min(wanted, self._bucket.available(now) / self._shards)
        return units if self._bucket.take(units, now) else 0.0


def _bucket(per_minute: int | None, now: float) -> Bucket:
    """A bucket that keeps a limit per minute; without a limit, one that only a pause empties."""
    allowed = float(per_minute or _NO_LIMIT)
    return Bucket(allowed * (1 - BURST) / 60, allowed * BURST, now)

"""Gmail's quota for one shard: an allowance per user, and the shard's part of the project's budget.

A call may be made when its user's allowance and the budget both have its units. Pure; the clock is an argument.
"""

from collections import deque

from actors.budget import Budget, Demand
from actors.decisions import Call, Compare, Confirm, Fetch, ListPage, ReadHistory, ReadLabels, Watch
from jobs.gmail.config import GmailConfig
from jobs.gmail.quota_costs import cost
from jobs.quota import Allowance

#: Share of a minute's units that may be spent at once: a mailbox can catch up by it, and a new owner waits for it.
BURST = 0.15
#: A fetch waits for the units of this number of messages, or for this share of the burst: a task costs the same for
#: one message as for many (legacy profile, 4 at least: 6 ms of CPU per message in owners and tasks).
_LEAST_FETCH, _LEAST_SHARE = 25, 0.7
#: Minimum seconds before another process asks for units again; and how long a call may exceed its time limit.
_SHORTEST_WAIT_S, _LOAN_MARGIN_S = 0.02, 60.0
#: Units per minute that mean "no limit".
_NO_LIMIT = 10**12
#: Seconds of spending at the present pace that a request asks for beyond the refused units.
_AHEAD_S = 0.25


class ShardQuota:
    """The calls that one shard may make to Gmail now."""

    def __init__(self, config: GmailConfig, shards: int, now: float, succeeds: bool) -> None:
        """`shards`: of the cluster, which share the project's budget evenly while the broker does not answer.

        succeeds: the shard had an owner before, whose recent spending is unknown.
        """
        self._config, self._profile, self._since, self._owed = config, config.quota, now, succeeds
        self._users: dict[int, Allowance] = {}
        self._budget = Budget(config, shards)
        self._needed = self._wanted = 0.0  # project units of refused calls: minimum, maximum
        self._spent, self._spent_since = 0.0, 0.0  # project units since a time: the present pace
        self._granted = self._let_out = self._pauses = 0.0  # in all, for metrics
        self._loans: deque[tuple[float, int, int]] = deque()  # (expiry, user, units) of other processes' calls
        self._refused_s: float | None = None  # seconds for which Gmail refused the project, to report to the broker

    def cost(self, call: Call) -> int:
        """Units of a call; a Pin reads the profile and the labels, a Confirm a total and a page of history."""
        if isinstance(call, Fetch):
            return self._cost("messages.get", len(call.message_ids))
        if isinstance(call, ListPage):
            return self._cost("messages.list", 1)
        if isinstance(call, ReadHistory):
            return self._cost("history.list", 1)
        if isinstance(call, Watch):
            return self._cost("watch", 1)
        if isinstance(call, Compare):  # makes no call to Gmail
            return 0
        if isinstance(call, ReadLabels):
            return self._cost("labels.list", 1)
        if isinstance(call, Confirm):
            source = "getProfile" if call.label_id is None else "labels.get"
            return self._cost(source, 1) + self._cost("history.list", 1)
        return self._cost("getProfile", 1) + self._cost("labels.list", 1)

    def method_cost(self, method: str) -> int:
        """Units of one call of a Gmail method."""
        return self._cost(method, 1)

    def fetchable(self, user_id: int, count: int, now: float) -> int:
        """Number of `count` messages that may be fetched now; 0 until a useful number may, unless fewer are left."""
        if count == 0:
            return 0
        each = self._each()
        units, budget = self._user(user_id).available(now), self._budget.available(now)
        if min(units // each, count) > budget // each:
            self._want(min(count, self._handful(user_id)) * each, min(units, count * each))
        allowed = min(units // each, budget // each, count)
        return int(allowed) if allowed >= min(count, self._handful(user_id)) else 0

    def take(self, user_id: int, call: Call, now: float) -> bool:
        """Spend a call's units; False if they are not available yet. Call `returned` at the end of every call.

        Units that the call then does not cost are not given back: they would be spent in a later minute.
        """
        units = self.cost(call)
        user = self._user(user_id)
        if user.available(now) < units:
            return False
        if not self._budget.take(units, now):
            self._want(units, units)
            return False
        self._spent += units
        self._let_out += units
        return user.take(units, now)

    def returned(self, user_id: int, call: Call, now: float) -> None:
        """Record the end of a call, whatever its outcome."""
        self._user(user_id).returned(self.cost(call), now)

    def lend(self, user_id: int, method: str, now: float) -> float:
        """Let another process of this cluster make one call for a mailbox: 0.0, or the seconds until its next request.

        Call `repaid` at the end of every permitted call. The calls of a process that died count as
        ended after the maximum duration of a call.
        """
        while self._loans and self._loans[0][0] <= now:
            _, debtor, units = self._loans.popleft()
            self._user(debtor).returned(units, now)
        units, user = self._cost(method, 1), self._user(user_id)
        if user.available(now) < units:
            return max(user.ready_at(units, now) - now, _SHORTEST_WAIT_S)
        if not self._budget.take(units, now):
            self._want(units, units)
            return _SHORTEST_WAIT_S
        self._spent += units
        self._let_out += units
        user.take(units, now)
        self._loans.append((now + self._config.total_timeout_s + _LOAN_MARGIN_S, user_id, units))
        return 0.0

    def repaid(self, user_id: int, method: str, now: float) -> None:
        """Record the end of another process's call."""
        units = self._cost(method, 1)
        found = next((loan for loan in self._loans if loan[1:] == (user_id, units)), None)
        if found is not None:
            self._loans.remove(found)
            self._user(user_id).returned(units, now)

    def pause(self, user_id: int, scope: str, seconds: float, now: float) -> None:
        """Record that Gmail asks for a pause, of the user or of the whole project."""
        self._pauses += 1
        if scope == "project" and self._budget.limited:
            self._budget.pause(seconds, now)
            self._refused_s = max(self._refused_s or 0.0, seconds)
        else:
            self._user(user_id).pause(seconds, now)

    def ready_at(self, user_id: int, call: Call | None, now: float) -> float:
        """When the user's limit permits a call, or a useful number of messages (None)."""
        units = self._each() * self._handful(user_id) if call is None else self.cost(call)
        return self._user(user_id).ready_at(units, now)

    @property
    def wanting(self) -> bool:
        """Whether to call the broker: calls wait for project units, or Gmail refused the project."""
        return self._wanted > 0 or self._refused_s is not None

    def demand(self, weight: float, now: float) -> Demand:
        """The units to lease: those of refused calls, and some ahead at the present pace."""
        pace = self._spent / max(now - self._spent_since, _AHEAD_S)
        self._spent, self._spent_since = 0.0, now
        return Demand(self._needed, self._wanted + pace * _AHEAD_S, weight, *self._budget.settle())

    def refused_s(self) -> float | None:
        """Seconds for which Gmail refused the project; returned once."""
        seconds, self._refused_s = self._refused_s, None
        return seconds

    def granted(self, units: float, now: float, spent_until: float | None = None) -> None:
        """Record the broker's answer; calls that lack units ask again. spent_until: see `Grant`."""
        self._budget.granted(units, now)
        if spent_until is not None:
            self._budget.spent_until(spent_until)
        self._granted += units
        self._needed = self._wanted = 0.0

    def silent(self, now: float, demand: Demand | None = None) -> None:
        """Record that the broker did not answer; calls that lack units ask again. demand: the request that failed."""
        if demand is not None:
            self._budget.untold(demand.unspent, demand.alone)
        self._budget.silent(now)
        self._needed = self._wanted = 0.0

    def measures(self, now: float) -> dict[str, float]:
        """Counts of leases, units and refusals; those named `…_total` only grow."""
        return {
            "leased_units": self._budget.leased(now),
            "static_share": float(self._budget.static),
            "granted_units_total": self._granted,
            "spent_units_total": self._let_out,
            "pauses_total": self._pauses,
        }

    def _want(self, needed: float, wanted: float) -> None:
        self._needed = min(self._needed or needed, needed)
        self._wanted = max(self._wanted, wanted)

    def _handful(self, user_id: int) -> int:
        """Number of messages that a fetch waits for: never nearly the whole burst."""
        most = min(self._user(user_id).burst, self._budget.most)
        return max(min(_LEAST_FETCH, int(most * _LEAST_SHARE // self._each())), 1)

    def _each(self) -> int:
        return max(self._cost("messages.get", 1), 1)

    def _cost(self, method: str, calls: int) -> int:
        return cost(self._config.profile, method, calls, self._config.cost_overrides)

    def _user(self, user_id: int) -> Allowance:
        user = self._users.get(user_id)
        if user is None:
            per_minute = self._profile.units_per_minute_per_user
            limit = float(per_minute or _NO_LIMIT)
            burst = max(limit * BURST, self._each())
            owed = self._owed and per_minute is not None  # without a limit, earlier spending does not matter
            user = Allowance(limit, self._config.quota_minute_s, burst, self._since, owed)
            self._users[user_id] = user
        return user

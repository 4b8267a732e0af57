"""Gmail's quota: the cost of a call, and when a call is refused.

Independent of the client's quota arithmetic on purpose: two implementations of the same rules check each other. No
clock: the caller passes the time.

Source: developers.google.com/workspace/gmail/api/reference/quota (read 2026-11).
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

Profile = Literal["legacy", "standard", "unlimited"]

_LEGACY = {
    "getProfile": 1,
    "watch": 100,
    "stop": 50,
    "history.list": 2,
    "labels.list": 1,
    "labels.get": 1,
    "labels.create": 5,
    "labels.update": 5,
    "labels.delete": 5,
    "messages.list": 5,
    "messages.get": 5,
    "messages.attachments.get": 5,
    "messages.modify": 5,
    "messages.trash": 5,
    "messages.untrash": 5,
    "messages.delete": 10,
    "messages.batchModify": 50,
    "messages.batchDelete": 50,
    "messages.import": 25,
    "messages.insert": 25,
    "threads.list": 10,
    "threads.get": 10,
}

# Projects created since 2026-05-01.
_STANDARD = _LEGACY | {
    "messages.get": 20,
    "messages.attachments.get": 20,
    "messages.trash": 20,
    "threads.get": 40,
}

COSTS: dict[Profile, dict[str, int]] = {"legacy": _LEGACY, "standard": _STANDARD, "unlimited": _LEGACY}
DATA_METHODS = frozenset(_LEGACY)

UNITS_PER_MINUTE_PER_USER: dict[Profile, int | None] = {"legacy": 15_000, "standard": 6_000, "unlimited": None}
UNITS_PER_MINUTE_PER_PROJECT: dict[Profile, int | None] = {
    "legacy": 1_200_000,
    "standard": 1_200_000,
    "unlimited": None,
}

# Slots per window: a million units are counted in hundreds of numbers.
_SLOTS = 600


class Window:
    """Units spent during the last `length_s` seconds."""

    def __init__(self, limit: int, length_s: float) -> None:
        self.limit = limit
        self._slot_s = length_s / _SLOTS
        self._slots: deque[list[int]] = deque()  # [slot number, units]
        self._spent = 0

    def spent(self, now: float) -> int:
        oldest = int(now / self._slot_s) - _SLOTS
        while self._slots and self._slots[0][0] <= oldest:
            self._spent -= self._slots.popleft()[1]
        return self._spent

    def fits(self, units: int, now: float) -> bool:
        return self.spent(now) + units <= self.limit

    def spend(self, units: int, now: float) -> None:
        slot = int(now / self._slot_s)
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1][1] += units
        else:
            self.spent(now)
            self._slots.append([slot, units])
        self._spent += units

    def wait_s(self, units: int, now: float) -> float:
        """Seconds until `units` fit if no other units are spent."""
        excess = self.spent(now) + units - self.limit
        for slot, spent in self._slots:
            excess -= spent
            if excess <= 0:
                return max(0.0, (slot + _SLOTS + 1) * self._slot_s - now)
        return 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """The scope whose allowance is spent, and for how long."""

    scope: Literal["user", "project"]
    retry_after_s: float


@dataclass(slots=True)
class Gets:
    """When one user's messages were fetched, and the longest pause between two fetches."""

    first_at: float
    last_at: float
    longest_pause_s: float = 0.0

    def another(self, now: float) -> None:
        """Record a fetch."""
        self.longest_pause_s = max(self.longest_pause_s, now - self.last_at)
        self.last_at = now


@dataclass(slots=True)
class Spending:
    """Units charged since the start, and when each user's messages were fetched."""

    total: int = 0
    by_user: Counter[str] = field(default_factory=Counter)
    gets: dict[str, Gets] = field(default_factory=dict)

    def charged(self, user: str, method: str, units: int, now: float) -> None:
        """Record a permitted call."""
        self.total += units
        self.by_user[user] += units
        if method == "messages.get":
            self.gets.setdefault(user, Gets(now, now)).another(now)


class Quota:
    """Charges calls and refuses those over the allowance. A refused call costs nothing."""

    def __init__(
        self,
        profile: Profile,
        costs: dict[str, int],
        time_scale: float,
        units_per_user: int | None = None,
        units_per_project: int | None = None,
    ) -> None:
        self._costs = COSTS[profile] | costs
        self._minute_s = 60 / time_scale
        self._per_user = units_per_user or UNITS_PER_MINUTE_PER_USER[profile]
        per_project = units_per_project or UNITS_PER_MINUTE_PER_PROJECT[profile]
        self._project = None if per_project is None else Window(per_project, self._minute_s)
        self._users: dict[str, Window] = {}
        self.spending = Spending()

    def charge(self, user: str, method: str, now: float) -> Refusal | None:
        """Charge one call of a Gmail method; None if it may proceed."""
        units = self._costs[method]
        refusal = self._refusal(user, units, now)
        if refusal is None:
            self.spending.charged(user, method, units, now)
        return refusal

    def _refusal(self, user: str, units: int, now: float) -> Refusal | None:
        if self._project is None or self._per_user is None:
            return None
        window = self._users.get(user)
        if window is None:
            window = self._users[user] = Window(self._per_user, self._minute_s)
        if not window.fits(units, now):
            return Refusal("user", window.wait_s(units, now))
        if not self._project.fits(units, now):
            return Refusal("project", self._project.wait_s(units, now))
        window.spend(units, now)
        self._project.spend(units, now)
        return None

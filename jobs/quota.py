"""Token buckets: how many units may be spent when. Pure arithmetic; the clock is an argument.

A `Bucket` refills at a rate; an `Allowance` also enforces a limit per window exactly. They serve every limit: a user's,
the project's, and a caller's at the gateway.
"""

import math
from collections import deque

#: Seconds added to the time at which units are available, so that rounding does not cause an early retry.
_MARGIN_S = 1e-3
#: An allowance counts in this many parts of its window, and for one part longer than the window: the server that
#: enforces the limit may count in parts as well.
_PARTS = 600


class Bucket:
    """Refills at `rate` units per second up to `capacity`. Starts full.

    Over any window of w seconds it allows at most capacity + rate * w units, so a limit L per minute is kept if
    capacity + 60 * rate <= L. Units cannot be returned: the refill and the returned units would be spent together.
    """

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        self.rate, self.capacity = rate, capacity
        self._units, self._at = capacity, now
        self._paused_until = now

    def available(self, now: float) -> float:
        """Units that may be spent now; 0 while paused."""
        self._fill(now)
        return 0.0 if now < self._paused_until else max(self._units, 0.0)

    def take(self, units: float, now: float) -> bool:
        """Spend units if they are available."""
        if self.available(now) < units:
            return False
        self._units -= units
        return True

    def pause(self, seconds: float, now: float) -> None:
        """Allow nothing for a while; the bucket does not refill meanwhile, so no burst follows."""
        self._fill(now)
        self._paused_until = max(self._paused_until, now + seconds)
        self._units = min(self._units, 0.0)

    def ready_at(self, units: float, now: float) -> float:
        """When this many units will be available if no others are spent. More than the capacity never are."""
        self._fill(now)
        missing = min(units, self.capacity) - self._units
        wait_s = missing / self.rate + _MARGIN_S if missing > 0 else 0.0
        return max(self._paused_until, now) + wait_s

    def hold(self, most: float, now: float) -> None:
        """Reduce the available units to at most `most`."""
        self._fill(now)
        self._units = min(self._units, most)

    def _fill(self, now: float) -> None:
        since = max(self._at, min(self._paused_until, now))
        if now > since:
            self._units = min(self._units + (now - since) * self.rate, self.capacity)
        self._at = max(self._at, now)


class Allowance:
    """At most `limit` units in any `window_s` seconds, evenly spread, with up to `burst` at once after idleness.

    The limit is kept exactly, however late the server charges a call: a call's units count from its start until
    `window_s` after it returned. The unused share of the limit is the duration of calls plus the waiting time for the
    next call, divided by the window, plus one percent.
    """

    def __init__(self, limit: float, window_s: float, burst: float, now: float, owed: bool = False) -> None:
        """`owed`: another process may have spent units until now; assume it spent the maximum."""
        self._limit, self._window_s = limit, window_s
        self._bucket = Bucket(limit / window_s, burst, now)
        if owed:
            self._bucket.hold(-burst, now)
        self._even_at = now  # from then on units are added at the full rate
        self._out = 0.0  # units of calls that have not returned
        self._log: deque[tuple[int, float]] = deque()  # (part in which calls returned, their units), oldest first
        self._logged = 0.0

    @property
    def burst(self) -> float:
        """The most units that can be spent at once."""
        return self._bucket.capacity

    def available(self, now: float) -> float:
        """Units that may be spent now."""
        self._advance(now)
        return max(min(self._bucket.available(now), self._room), 0.0)

    def take(self, units: float, now: float) -> bool:
        """Spend units if they are available. Call `returned` for them later."""
        available = self.available(now)
        if available < units:
            return False
        if not self._out and not self._log:  # the burst counts towards the first window after idleness
            self._bucket.rate, self._even_at = (self._limit - available) / self._window_s, now + self._window_s
        self._out += units
        return self._bucket.take(units, now)

    def returned(self, units: float, now: float) -> None:
        """Calls of this many units returned: the server has charged them by now, if at all."""
        self._advance(now)
        self._out -= units
        part = math.ceil(now / self._part_s)
        if self._log and self._log[-1][0] >= part:
            part, units_before = self._log.pop()
            self._log.append((part, units_before + units))
        else:
            self._log.append((part, units))
        self._logged += units

    def pause(self, seconds: float, now: float) -> None:
        """Allow nothing for a while; no burst follows."""
        self._advance(now)
        self._bucket.pause(seconds, now)

    def ready_at(self, units: float, now: float) -> float:
        """When to retry: this many units may be available then, and are not earlier unless a call returns."""
        self._advance(now)
        ready_at = self._bucket.ready_at(units, now)
        missing = min(units, self.burst) - self._room
        if missing <= 0:
            return ready_at
        for part, logged in self._log:
            missing -= logged
            if missing <= 0:
                return max(ready_at, self._end(part) + _MARGIN_S)
        return max(ready_at, now + self._window_s)

    @property
    def _part_s(self) -> float:
        return self._window_s / _PARTS

    @property
    def _room(self) -> float:
        return self._limit - self._out - self._logged

    @property
    def _most(self) -> float:
        return self._room + self.burst / 2

    def _end(self, part: int) -> float:
        """When calls that returned in a part stop counting."""
        return (part + _PARTS + 1) * self._part_s

    def _advance(self, now: float) -> None:
        """Add units and expire calls, in order of time.

        While the limit is exhausted, only half of a burst is added: otherwise every pause would recur one window later,
        followed by a burst, as long as there is work.
        """
        if self._even_at <= now:
            self._bucket.hold(self._most, self._even_at)
            self._bucket.rate, self._even_at = self._limit / self._window_s, math.inf
        while self._log and self._end(self._log[0][0]) <= now:
            part, units = self._log.popleft()
            self._bucket.hold(self._most, self._end(part))
            self._logged -= units
        if not self._log and not self._out:
            self._logged = 0.0  # avoids accumulating rounding errors
        self._bucket.hold(self._most, now)

"""How many units may be spent when. Pure arithmetic; the clock is an argument.

A `Bucket` drips; an `Allowance` is a bucket under a limit per window that is kept exactly. They serve every limit: a
user's, the project's, and later a caller's at the gateway.
"""

import math
from collections import deque

#: Seconds beyond the moment when units are there: rounding must not wake anybody just before it.
_MARGIN_S = 1e-3
#: An allowance counts in so many parts of its window, and one part longer than the window: whoever keeps the limit
#: may count in parts, too.
_PARTS = 600


class Bucket:
    """Fills at `rate` units per second up to `capacity`. Starts full.

    Over any window of w seconds it lets at most capacity + rate * w units through, so a limit per minute L is kept by
    capacity + 60 * rate <= L. Nothing is given back: what filled up meanwhile and what returns would be spent at once.
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
        """Spend units if they are there."""
        if self.available(now) < units:
            return False
        self._units -= units
        return True

    def pause(self, seconds: float, now: float) -> None:
        """Let nothing through for a while; the bucket does not fill meanwhile, so no burst follows."""
        self._fill(now)
        self._paused_until = max(self._paused_until, now + seconds)
        self._units = min(self._units, 0.0)

    def ready_at(self, units: float, now: float) -> float:
        """When so many units will be there, if nobody takes any. More than the capacity are never there at once."""
        self._fill(now)
        missing = min(units, self.capacity) - self._units
        wait_s = missing / self.rate + _MARGIN_S if missing > 0 else 0.0
        return max(self._paused_until, now) + wait_s

    def hold(self, most: float, now: float) -> None:
        """Have at most so many units now; what would have been more is lost."""
        self._fill(now)
        self._units = min(self._units, most)

    def _fill(self, now: float) -> None:
        since = max(self._at, min(self._paused_until, now))
        if now > since:
            self._units = min(self._units + (now - since) * self.rate, self.capacity)
        self._at = max(self._at, now)


class Allowance:
    """At most `limit` units in any `window_s` seconds, evenly spread, with up to `burst` at once after idleness.

    The limit is kept exactly, however late a call is charged: its units count from when it is let out until `window_s`
    after it came back. So what is lost of the limit is the time that calls take and that units wait for the next call,
    as a share of the window, and one percent.
    """

    def __init__(self, limit: float, window_s: float, burst: float, now: float, owed: bool = False) -> None:
        """`owed`: somebody else may have spent up to now; what they may have, at most, is waited for."""
        self._limit, self._window_s = limit, window_s
        self._bucket = Bucket(limit / window_s, burst, now)
        if owed:
            self._bucket.hold(-burst, now)
        self._even_at = now  # from then on units come at the full rate
        self._out = 0.0  # units of calls that have not come back
        self._log: deque[tuple[int, float]] = deque()  # (part in which calls came back, their units), oldest first
        self._logged = 0.0

    @property
    def burst(self) -> float:
        """Units that may go at once, at most."""
        return self._bucket.capacity

    def available(self, now: float) -> float:
        """Units that may be spent now."""
        self._advance(now)
        return max(min(self._bucket.available(now), self._room), 0.0)

    def take(self, units: float, now: float) -> bool:
        """Spend units if they are there. `returned` must be told of them, some time."""
        available = self.available(now)
        if available < units:
            return False
        if not self._out and not self._log:  # what goes in the first window after idleness, the burst is part of
            self._bucket.rate, self._even_at = (self._limit - available) / self._window_s, now + self._window_s
        self._out += units
        return self._bucket.take(units, now)

    def returned(self, units: float, now: float) -> None:
        """Calls of so many units came back: they were charged by now, if at all."""
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
        """Let nothing through for a while; no burst follows."""
        self._advance(now)
        self._bucket.pause(seconds, now)

    def ready_at(self, units: float, now: float) -> float:
        """When to ask again for so many units: they may be there then, and are not before unless a call comes back."""
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
        """When calls that came back in a part of the time stop counting."""
        return (part + _PARTS + 1) * self._part_s

    def _advance(self, now: float) -> None:
        """Let units come and calls stop counting, in the order of time.

        While there is no room, only half of a burst comes: or else every pause would come again a window later, as
        long as there is work, and a burst after it.
        """
        if self._even_at <= now:
            self._bucket.hold(self._most, self._even_at)
            self._bucket.rate, self._even_at = self._limit / self._window_s, math.inf
        while self._log and self._end(self._log[0][0]) <= now:
            part, units = self._log.popleft()
            self._bucket.hold(self._most, self._end(part))
            self._logged -= units
        if not self._log and not self._out:
            self._logged = 0.0  # rounding must not add up
        self._bucket.hold(self._most, now)

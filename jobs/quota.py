"""Token buckets: how many units may be spent when. Pure arithmetic; the clock is an argument.

One bucket serves every limit: a user's, the project's, and later a caller's at the gateway.
"""

#: Seconds beyond the moment when units are there: rounding must not wake anybody just before it.
_MARGIN_S = 1e-3


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

    def _fill(self, now: float) -> None:
        since = max(self._at, min(self._paused_until, now))
        if now > since:
            self._units = min(self._units + (now - since) * self.rate, self.capacity)
        self._at = max(self._at, now)

"""How much of a day's free quota units the project may have spent by now. Pure; the clock is an argument.

Google counts a day from midnight to midnight, Pacific time. Half of the allowance may be spent at once, at the limits
per minute; the other half becomes available evenly over the day, so that a backfill in the morning leaves units
for the mail of the evening. Units are spent out of reservations that are durable before anything is granted from them
(storage/control/quota_ledger.py): a broker that dies loses little more than one reservation and spends no unit twice.

Called by the broker (actors/broker.py); actors/paced_broker.py makes the reservations.
"""

from datetime import UTC, date, datetime, timedelta

from jobs.gmail.config import PACIFIC

#: Share of the allowance that may be spent at once.
_AT_ONCE = 0.5
#: Share of the allowance that is reserved at a time: 160,000 of 80,000,000 units last 8 s at the limit per minute.
_RESERVATION = 0.002
#: Share of a usual reservation to wait for while units become available evenly: 16,000 in half a minute.
_LEAST = 0.1


class DailyAllowance:
    """The free units that one project may spend today."""

    def __init__(self, allowance: int) -> None:
        """`allowance`: units a day. Nothing may be spent before the first call of `reserved`."""
        self.allowance = allowance
        self._day: date | None = None
        self._total = 0.0  # reserved today, by this broker and its predecessors
        self._in_hand = 0.0  # the part that this broker may still grant

    def available(self, now: float) -> float:
        """Units that may be granted now."""
        if _day(now) != self._day:
            return 0.0
        return max(min(self._in_hand, self._line(now) - self.spent), 0.0)

    def allows(self, units: float, now: float) -> bool:
        """Whether this number of units may be granted now, once they are reserved."""
        return _day(now) != self._day or self._line(now) - self.spent >= units

    @property
    def spent(self) -> float:
        """Units of this day that were granted, or lost with a failed broker."""
        return self._total - self._in_hand

    def take(self, units: float) -> None:
        """Grant units. More than are reserved: a shard spent them while the broker did not answer."""
        self._in_hand -= units

    def give_back(self, units: float) -> None:
        """Return units that were granted and not spent."""
        self._in_hand += units

    def wish(self, now: float, wanted: float) -> tuple[date, int] | None:
        """The next reservation: a day, and units (0: only read the present reservations); None: no reservation.

        wanted: units that could be granted now.
        """
        day = _day(now)
        if day != self._day:
            return day, 0
        lacking, room = wanted - self._in_hand, self._line(now) - self._total
        usual = self.allowance * _RESERVATION
        if lacking <= 0 or room < max(min(usual * _LEAST, lacking), 1):
            return None
        return day, int(min(max(usual, lacking + 1), room))

    def reserved(self, day: date, total: int, units: int) -> None:
        """Record a reservation. total: units of that day reserved by all brokers, this one included."""
        if day != self._day:
            self._day, self._in_hand = day, 0.0
        self._total = float(total)
        self._in_hand += units

    def when(self, units: float, now: float) -> float:
        """When this number of units becomes available, if nothing else is spent: at midnight at the latest."""
        local = datetime.fromtimestamp(now, PACIFIC)
        midnight = _midnight(local.date() + timedelta(days=1))
        rate = self.allowance * (1 - _AT_ONCE) / (midnight - _midnight(local.date()))
        lacking = self.spent + units - self._line(now)
        at = now + max(lacking, 0.0) / rate
        return min(at, midnight) if self.spent + units <= self.allowance else midnight

    def _line(self, now: float) -> float:
        """Units that may have been spent by now."""
        today = datetime.fromtimestamp(now, PACIFIC).date()
        begin, end = _midnight(today), _midnight(today + timedelta(days=1))
        return self.allowance * (_AT_ONCE + (1 - _AT_ONCE) * (now - begin) / (end - begin))


def _day(now: float) -> date:
    return datetime.fromtimestamp(now, PACIFIC).date()


def _midnight(day: date) -> float:
    """Midnight, in seconds since 1970; some days have 23 or 25 hours."""
    return datetime.combine(day, datetime.min.time(), PACIFIC).astimezone(UTC).timestamp()

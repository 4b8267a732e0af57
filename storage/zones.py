"""Time zones by their IANA names, as far as this machine knows them; the database must know them, too."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from storage.errors import BackupError

#: Mail that is older is not counted by half hours where a zone is asked for: clocks were more various then.
SLOTS_SINCE = datetime(1970, 1, 1, tzinfo=UTC)
_LOOKED_AT_UNTIL = 2040
_SLOT = timedelta(minutes=30)


class UnknownZone(BackupError):
    """This machine or the database has no such time zone. Name another one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f'There is no time zone "{self.name[:80]}" here: give an IANA name such as Europe/Zurich.'


def zone_of(name: str) -> ZoneInfo:
    """The zone of a name.

    Raises:
        UnknownZone.
    """
    if name not in _names():
        raise UnknownZone(name)
    return ZoneInfo(name)


@cache
def in_half_hours(zone: ZoneInfo) -> bool:
    """Do the hours of a zone begin, and its clocks change, with half hours of UTC: always since 1970?

    Looked at day by day until 2040, from when on the same rule holds every year. 5:45 and 12:45 do not, nor do clocks
    that changed a minute after midnight.
    """
    at, offset = SLOTS_SINCE, SLOTS_SINCE.astimezone(zone).utcoffset()
    while at.year < _LOOKED_AT_UNTIL:
        if offset is None or offset % _SLOT:
            return False
        following = at + timedelta(days=1)
        then = following.astimezone(zone).utcoffset()
        if then != offset and (_change(zone, at, following) - SLOTS_SINCE) % _SLOT:
            return False
        at, offset = following, then
    return True


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The second at which clocks change between two moments."""
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == offset else (low, middle)
    return high


@cache
def _names() -> frozenset[str]:
    # Not by trying: that would open whatever file a caller names below the folders of zones.
    return frozenset(available_timezones() - {"localtime", "Factory"})

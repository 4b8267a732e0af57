"""Time zones by their IANA names, as far as this machine knows them; the database must know them, too."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from storage.errors import BackupError

#: Older or younger mail is not counted by half hours where a zone is asked for: clocks were more various before, and
#: what they will do in so many years is not worth looking at.
HALF_HOURS_SINCE, HALF_HOURS_UNTIL = datetime(1970, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
#: A Monday's midnight.
_MONDAY = datetime(2000, 1, 3, tzinfo=UTC)
_HALF_HOUR = timedelta(minutes=30)


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


def in_half_hours(zone: ZoneInfo) -> bool:
    """Do the hours and clock changes of a zone fall on half hours of UTC, HALF_HOURS_SINCE to HALF_HOURS_UNTIL?

    5:45 and 12:45 do not, nor do clocks that changed a minute after midnight.
    """
    return all(not offset % _HALF_HOUR and not (at - HALF_HOURS_SINCE) % _HALF_HOUR for at, offset in _offsets(zone))


def mondays(zone: ZoneInfo, first_at: datetime, last_at: datetime) -> tuple[list[datetime], list[datetime]]:
    """When a zone's clocks change in a time, and before the first and after each change a Monday's midnight.

    The midnights are moments that would be one if the distance from UTC were always what it is then: weeks, days and
    hours from there are the zone's until the next change.
    """
    offsets = _offsets(zone)
    before = [each for each in offsets if each[0] <= first_at][-1:] or offsets[:1]
    during = [each for each in offsets if first_at < each[0] <= last_at]
    return [at for at, _ in during], [_MONDAY - offset for _, offset in (*before, *during)]


@cache
def _offsets(zone: ZoneInfo) -> tuple[tuple[datetime, timedelta], ...]:
    """(since when, distance from UTC) from HALF_HOURS_SINCE to HALF_HOURS_UNTIL. Looked at day by day."""
    at = HALF_HOURS_SINCE
    found = [(at, _offset(zone, at))]
    while at < HALF_HOURS_UNTIL:
        following = at + timedelta(days=1)
        if (then := _offset(zone, following)) != found[-1][1]:
            found.append((_change(zone, at, following), then))
        at = following
    return tuple(found)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The second at which clocks change between two moments."""
    offset = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high


@cache
def _names() -> frozenset[str]:
    # Not by trying: that would open whatever file a caller names below the folders of zones.
    return frozenset(available_timezones() - {"localtime", "Factory"})

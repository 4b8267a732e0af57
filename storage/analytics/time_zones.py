"""Time zones by IANA name, as known to this machine; the database must know them as well."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from storage.errors import BackupError

#: Mail outside of these years is not counted by half hours in a time zone: earlier, clocks were more irregular; changes
#: of clocks in the distant future are not computed.
HALF_HOURS_SINCE, HALF_HOURS_UNTIL = datetime(1970, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
#: Midnight on a Monday.
_MONDAY = datetime(2000, 1, 3, tzinfo=UTC)
_HALF_HOUR = timedelta(minutes=30)


class UnknownZone(BackupError):
    """This machine or the database does not know the time zone. Use another name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f'There is no time zone "{self.name[:80]}" here: give an IANA name such as Europe/Zurich.'


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        UnknownZone.
    """
    if name not in _names():
        raise UnknownZone(name)
    return ZoneInfo(name)


def in_half_hours(zone: ZoneInfo) -> bool:
    """Whether a zone's hours and clock changes are at half hours of UTC, HALF_HOURS_SINCE to HALF_HOURS_UNTIL.

    Not for offsets of 5:45 and 12:45, nor for clocks that changed one minute after midnight.
    """
    return all(not offset % _HALF_HOUR and not (at - HALF_HOURS_SINCE) % _HALF_HOUR for at, offset in _offsets(zone))


def mondays(zone: ZoneInfo, first_at: datetime, last_at: datetime) -> tuple[list[datetime], list[datetime]]:
    """The zone's clock changes in a time range, and a Monday's midnight for the time before the first and after each.

    A midnight is computed as if the offset from UTC were always the one of its period: counted from there, weeks, days
    and hours are the zone's until the next change.
    """
    offsets = _offsets(zone)
    before = [change for change in offsets if change[0] <= first_at][-1:] or offsets[:1]
    during = [change for change in offsets if first_at < change[0] <= last_at]
    return [at for at, _ in during], [_MONDAY - offset for _, offset in (*before, *during)]


@cache
def _offsets(zone: ZoneInfo) -> tuple[tuple[datetime, timedelta], ...]:
    """(since when, offset from UTC) from HALF_HOURS_SINCE to HALF_HOURS_UNTIL, searched day by day."""
    at = HALF_HOURS_SINCE
    changes = [(at, _offset(zone, at))]
    while at < HALF_HOURS_UNTIL:
        following = at + timedelta(days=1)
        if (then := _offset(zone, following)) != changes[-1][1]:
            changes.append((_change(zone, at, following), then))
        at = following
    return tuple(changes)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The second at which clocks change between two times."""
    offset = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high


@cache
def _names() -> frozenset[str]:
    # Checked against the list: opening the name would read any file that a caller names below the zones' folders.
    return frozenset(available_timezones() - {"localtime", "Factory"})

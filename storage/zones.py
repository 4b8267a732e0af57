"""Time zones by their IANA names, as far as this machine knows them; the database must know them, too."""

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from storage.errors import BackupError


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
def _names() -> frozenset[str]:
    # Not by trying: that would open whatever file a caller names below the folders of zones.
    return frozenset(available_timezones() - {"localtime", "Factory"})

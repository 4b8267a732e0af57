"""The Date header as a moment."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from jobs.mime import headers
from jobs.mime.defects import Defects

#: What a 64-bit count of nanoseconds since 1970 holds, so every reader of the archive can represent it.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2262, 1, 1, tzinfo=UTC)


def parse(value: str, defects: Defects) -> datetime | None:
    """The moment in UTC; a time without zone counts as UTC. None with a defect when there is no usable one."""
    value = headers.unfold(value)[:200]
    if not value:
        defects.add("no-date")
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, AttributeError):
        defects.add("bad-date")
        return None
    except OverflowError:
        defects.add("date-out-of-range")
        return None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        defects.add("date-out-of-range")
        return None
    if not _FIRST <= moment < _LAST:
        defects.add("date-out-of-range")
        return None
    return moment

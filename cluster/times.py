"""Times on the command line.

RFC 3339 or a prefix of it, in UTC unless it has an offset ("2026-10-01", "2026-10-01 12:30",
"2026-10-01T12:30+02:00"), or an age: "90s", "30min", "12h", "3d", "2w" before now.
"""

import re
from datetime import UTC, datetime, timedelta

from storage.errors import BackupError
from storage.model.time_range import clamp

_AGE = re.compile(r"([0-9]{1,7})(s|min|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class NotATime(BackupError):
    """The text is not a time. Write it in one of the formats in the message."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{self.text!r} is not a time: write 2026-10-01, 2026-10-01T12:30Z, 3d or 12h."


def moment(text: str, now: datetime) -> datetime:
    """Parse a time to UTC, within the range of storage/mailbox/as_of.py.

    Raises:
        NotATime.
    """
    try:
        if match := _AGE.fullmatch(text):
            return clamp(now - timedelta(seconds=int(match[1]) * _SECONDS[match[2]]))
        at = datetime.fromisoformat(text)
        return clamp(at.replace(tzinfo=at.tzinfo or UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise NotATime(text) from exc


def optional(text: str | None, now: datetime) -> datetime | None:
    """Parse an optional time; None for None."""
    return None if text is None else moment(text, now)

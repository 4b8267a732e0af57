"""One mapping of values that Postgres or Parquet cannot hold to values that they can; it loses nothing. Pure.

Text: NUL, half a surrogate pair, the separators U+001E and U+001F that our queries join texts with, and U+001A itself
become U+001A and four hex digits, so `original` undoes it. Other text is unchanged.

Moments: those outside the years 1 to 9999 are stored as the nearest moment within; the caller records the true value.
"""

import re
from datetime import UTC, datetime, timedelta

_ESCAPE = "\x1a"
_UNSTORABLE = re.compile("[\x00\x1a\x1e\x1f\ud800-\udfff]")
_ESCAPED = re.compile(f"{_ESCAPE}([0-9a-f]{{4}})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The first and the last millisecond that can be stored, counted from 1970.
EARLIEST_MS, LATEST_MS = -62_135_596_800_000, 253_402_300_799_999


def storable(text: str) -> str:
    """The text as it is stored."""
    if _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(lambda match: f"{_ESCAPE}{ord(match[0]):04x}", text)


def storable_id(text: str) -> str:
    """The same of a label id; one that begins with a backslash cannot be taken for a mark of ours (records.DELETED)."""
    stored = storable(text)
    return f"{_ESCAPE}{ord(stored[0]):04x}{stored[1:]}" if stored.startswith("\\") else stored


def original(stored: str) -> str:
    """The text that was stored."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), stored)


def moment(since_1970_ms: int) -> datetime:
    """The moment, or the nearest that can be stored."""
    return _EPOCH + timedelta(milliseconds=min(max(since_1970_ms, EARLIEST_MS), LATEST_MS))

"""What a reader is told of messages, one by one and in pages, and the position in a list after one."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.errors import BackupError
from storage.model.location import Location
from storage.model.message_id import to_hex

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: More are never ranked (finding.py).
_MOST_PASSED = 2000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is a file. `sha256` is of the decoded bytes, in hex."""

    part: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    inline: bool


@dataclass(frozen=True, slots=True)
class EmailSummary:
    """A message as a list shows it. Ids are Gmail's own hex; `date` is Gmail's internal date."""

    id: str
    thread_id: str
    date: datetime
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    snippet: str
    labels: tuple[str, ...]
    size_bytes: int
    has_attachment: bool
    deleted_at: datetime | None
    defects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """What a message says, read out of its bytes; `headers` are decoded, in order."""

    text: str
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class Email:
    """A message by itself. `sha256` is of the raw bytes, in hex; `headers` are decoded, in order.

    analysis: analyser -> its version and fields; None: the message was not analysed.
    """

    summary: EmailSummary
    text: str
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]
    sha256: str
    analysis: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """How a message's state differs between two moments.

    added: it was not backed up at the first. deleted: True if it was deleted since, False if it came back, else None.
    put_on, taken_off: label ids; of a message that was added, since it was.
    """

    id: str
    thread_id: str
    date: datetime
    sender: str
    subject: str
    size_bytes: int
    added: bool
    deleted: bool | None
    put_on: tuple[str, ...]
    taken_off: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the index has it: its state at a moment, and where it lies. `segment`: file names, no endings."""

    message_id: int
    thread_id: int
    received_at: datetime
    labels: tuple[str, ...]
    size_bytes: int
    deleted_at: datetime | None
    segment: str
    location: Location

    @property
    def id(self) -> str:
        """Gmail's hex."""
        return to_hex(self.message_id)


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The place after a message in a list, newest first."""

    received_at: datetime
    message_id: int

    def encode(self) -> str:
        """As an opaque token for a client."""
        milliseconds = (self.received_at - _EPOCH) // timedelta(milliseconds=1)
        return base64.urlsafe_b64encode(f"{milliseconds}:{self.message_id}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> "PageCursor":
        """The position of a token.

        Raises:
            InvalidCursor.
        """
        try:
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
            milliseconds, message_id = (int(part) for part in text.split(":"))
            if not -(1 << 63) <= message_id < 1 << 63:
                raise ValueError(token)
            # In whole numbers: seconds as a float miss the millisecond from the 23rd century on.
            return cls(_EPOCH + timedelta(milliseconds=milliseconds), message_id)
        except (ValueError, OverflowError, binascii.Error) as exc:
            raise InvalidCursor(token[:80]) from exc


@dataclass(frozen=True, slots=True)
class RankCursor:
    """The place after a message in a list by relevance: so many came before, of the mail received until then."""

    until: datetime
    passed: int

    def encode(self) -> str:
        """As an opaque token for a client."""
        return PageCursor(self.until, self.passed).encode()

    @classmethod
    def decode(cls, token: str) -> "RankCursor":
        """The rank of a token.

        Raises:
            InvalidCursor.
        """
        position = PageCursor.decode(token)
        if not 0 <= position.message_id <= _MOST_PASSED:
            raise InvalidCursor(token[:80])
        return cls(position.received_at, position.message_id)


class InvalidCursor(BackupError):
    """The cursor is not one that a list gave. Start from the beginning, without a cursor."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token

    def __str__(self) -> str:
        return "The cursor is invalid: start again without a cursor."


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, newest first, and the position to go on from; None at the end."""

    items: tuple[EmailSummary, ...]
    next: PageCursor | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A part of what changed, newest mail first, and the position to go on from; None at the end."""

    items: tuple[Change, ...]
    next: PageCursor | None


@dataclass(frozen=True, slots=True)
class RankedPage:
    """A part of a list, most relevant first, and the rank to go on from; None at the end."""

    items: tuple[EmailSummary, ...]
    next: RankCursor | None


@dataclass(frozen=True, slots=True)
class Label:
    """A label as Gmail names it. `type`: system or user."""

    id: str
    name: str
    type: str

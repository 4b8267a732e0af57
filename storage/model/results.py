"""Results of reads: messages, pages of messages, and the cursors between pages."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from storage.errors import BackupError
from storage.model.acquaintance import Acquaintance
from storage.model.location import Location
from storage.model.message_id import to_hex

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Search ranks at most this many messages (storage/mailbox/search.py).
_MOST_PASSED = 2000


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attached file of a message. `sha256`: of the decoded bytes, in hex."""

    part: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    inline: bool


#: Defects of messages that ended the process which parsed them (jobs/isolation): they are never parsed for display.
UNPARSABLE = frozenset({"parser-timeout", "parser-memory", "parser-crashed"})


@dataclass(frozen=True, slots=True)
class EmailSummary:
    """A message in a list. Ids are Gmail's hex ids; `date` is Gmail's internal date."""

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
    """The parsed content of a message; `headers` are decoded, in order."""

    text: str
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class Email:
    """One message in full. `sha256`: of the raw bytes, in hex; `headers` are decoded, in order.

    analysis: analyser -> its version and fields; None: the message was not analysed. classification: Gmail's
    classification labels as JSON text; "": it has none. acquaintance: what the mailbox knew of the writer; None:
    unknown. is_whole: False: reading was stopped or a file is damaged, so that another attempt may return more.
    """

    summary: EmailSummary
    text: str
    headers: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...]
    sha256: str
    analysis: Mapping[str, Mapping[str, Any]] | None = None
    classification: str = ""
    acquaintance: Acquaintance | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """How a message's state differs between two times.

    added: the message was not backed up at the first time.
    deleted: True: deleted between the two times; False: restored; None: unchanged.
    put_on, taken_off: ids of labels added and removed; for an added message, since it was added.
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
    """A message's row in the index: its state at a time, and its location. `segment`: file name without suffix.

    classification: Gmail's classification labels as JSON text; "": it has none, or they were not asked for.
    """

    message_id: int
    thread_id: int
    received_at: datetime
    labels: tuple[str, ...]
    size_bytes: int
    deleted_at: datetime | None
    segment: str
    location: Location
    classification: str = ""

    @property
    def id(self) -> str:
        """Gmail's hex."""
        return to_hex(self.message_id)


@dataclass(frozen=True, slots=True)
class PageCursor:
    """Position after a message in a list, newest first."""

    received_at: datetime
    message_id: int

    def encode(self) -> str:
        """Encode as an opaque token for clients."""
        milliseconds = (self.received_at - _EPOCH) // timedelta(milliseconds=1)
        return base64.urlsafe_b64encode(f"{milliseconds}:{self.message_id}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, token: str) -> "PageCursor":
        """Decode a token.

        Raises:
            InvalidCursor.
        """
        try:
            text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
            milliseconds, message_id = (int(part) for part in text.split(":"))
            if not -(1 << 63) <= message_id < 1 << 63:
                raise ValueError(token)
            # Integer arithmetic: seconds as a float lose the millisecond from the 23rd century on.
            return cls(_EPOCH + timedelta(milliseconds=milliseconds), message_id)
        except (ValueError, OverflowError, binascii.Error) as exc:
            raise InvalidCursor(token[:80]) from exc


@dataclass(frozen=True, slots=True)
class RankCursor:
    """Position in a list by relevance: the number of messages passed, among mail received until the given time."""

    until: datetime
    passed: int

    def encode(self) -> str:
        """Encode as an opaque token for clients."""
        return PageCursor(self.until, self.passed).encode()

    @classmethod
    def decode(cls, token: str) -> "RankCursor":
        """Decode a token.

        Raises:
            InvalidCursor.
        """
        position = PageCursor.decode(token)
        if not 0 <= position.message_id <= _MOST_PASSED:
            raise InvalidCursor(token[:80])
        return cls(position.received_at, position.message_id)


class InvalidCursor(BackupError):
    """The cursor was not issued by this service. Start again without a cursor."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token

    def __str__(self) -> str:
        return "The cursor is invalid: start again without a cursor."


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first. The cursor of the next page is None at the end."""

    items: tuple[EmailSummary, ...]
    next: PageCursor | None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of changes, newest mail first. The cursor of the next page is None at the end."""

    items: tuple[Change, ...]
    next: PageCursor | None


@dataclass(frozen=True, slots=True)
class RankedPage:
    """One page of a list, most relevant first. The cursor of the next page is None at the end."""

    items: tuple[EmailSummary, ...]
    next: RankCursor | None


@dataclass(frozen=True, slots=True)
class Label:
    """A label as Gmail names it. `type`: system or user."""

    id: str
    name: str
    type: str

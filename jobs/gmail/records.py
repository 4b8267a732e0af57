"""What Gmail told us, as small frozen values. Message, thread and history ids are 64-bit numbers.

Gmail writes message ids in hex and history ids in decimal; as numbers they cost 8 bytes in memory and fit
Postgres's signed bigint: message ids of 2^63 and above are negative numbers (`storage.identifier`). An id whose
spelling does not survive the way to a number and back is kept as text (`unreadable`) and reported.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from jobs.gmail.errors import AnswerUnreadable, GmailError, Throttled
from storage.model import message_id as identifier

_HEX_ID = re.compile(r"[1-9a-f][0-9a-f]{0,15}")


def from_hex(text: str) -> int:
    """The number behind a message or thread id.

    Raises:
        AnswerUnreadable: not Gmail's way of writing an id, so asking with it would ask for something else.
    """
    if not isinstance(text, str) or _HEX_ID.fullmatch(text) is None:
        raise AnswerUnreadable(f"{str(text)[:40]!r} is not a message id")
    return identifier.from_hex(text)


@dataclass(frozen=True, slots=True)
class Profile:
    email: str
    history_id: int
    messages_total: int
    threads_total: int


@dataclass(frozen=True, slots=True)
class Label:
    """A label's definition; texts as `storable` has them. name: None: it could not be read.

    visibility: Gmail's messageListVisibility and labelListVisibility, joined by a slash; color: text/background.
    """

    id: str
    name: str | None
    type: str
    visibility: str = ""
    color: str = ""


@dataclass(frozen=True, slots=True)
class Watching:
    """Gmail pushes what changes after `history_id`, until `expires_at` (aware, UTC)."""

    history_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MessagePage:
    """One page of a listing, newest first. `estimate` is Gmail's guess at the total.

    unreadable: what stood where an id should, one text each. thread_ids: of the ids, in their order; 0: none was named.
    """

    ids: list[int]
    next_page_token: str | None
    estimate: int
    unreadable: tuple[str, ...] = ()
    thread_ids: tuple[int, ...] = ()

    def threads(self) -> dict[int, int]:
        """Message -> its thread, as far as the page names it."""
        return {key: thread_id for key, thread_id in zip(self.ids, self.thread_ids, strict=False) if thread_id}


@dataclass(frozen=True, slots=True)
class MessageAdded:
    message_id: int
    thread_id: int
    labels: tuple[str, ...]
    history_id: int


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    message_id: int
    history_id: int


@dataclass(frozen=True, slots=True)
class LabelChanged:
    message_id: int
    label_id: str
    on: bool
    history_id: int


Change = MessageAdded | MessageDeleted | LabelChanged


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Changes in the order in which they happened; may be empty and still carry a token.

    unreadable: what was wrong with each record that could not be read whole.
    """

    changes: list[Change]
    next_page_token: str | None
    history_id: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message: the exact bytes and what Gmail keeps beside them. defects: what is doubtful about them.

    classification: Gmail's `classificationLabelValues` as JSON text, "" where a message has none. Only Workspace has
    them. Source: developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages (read 2026-11).
    """

    id: int
    thread_id: int
    history_id: int
    internal_date_ms: int
    labels: tuple[str, ...]
    snippet: str
    size_estimate: int
    raw: bytes
    defects: tuple[str, ...] = ()
    classification: str = ""


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """A message that did not arrive. `kind` is that of the error in `errors.py`."""

    message_id: int
    kind: str
    error: str
    retryable: bool
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class FetchResult:
    """What became of every id of one fetch: each is in exactly one of the three lists.

    `units` counts what was sent, landed or not, because every retry pays. `throttled` is the first limit
    that Gmail named; what was not sent because of it is among `failures`. `unusable`: why no batch said anything of
    any message; None: some did. `refetched`: messages whose bytes disagreed with Gmail's estimate at
    first, and agree now.
    """

    messages: list[RawMessage]
    gone: list[int]
    failures: list[ItemFailure]
    throttled: Throttled | None
    units: int
    requests: int
    unusable: GmailError | None = None
    refetched: int = 0

"""Events of one mailbox, published by the transaction of a shard that they describe."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from storage.events.event_type import IDS_PER_EVENT, EventData

_Ids = list[str]


class EmailReceived(EventData, frozen=True):
    """Messages were stored."""

    type: ClassVar[str] = "email.received"
    segment: str = Field(description="segment that contains them")
    ids: _Ids = Field(max_length=IDS_PER_EVENT, description="Gmail's ids, hex")


class EmailDeleted(EventData, frozen=True):
    """Messages were deleted at Gmail. The backup keeps them."""

    type: ClassVar[str] = "email.deleted"
    ids: _Ids = Field(max_length=IDS_PER_EVENT, description="Gmail's ids, hex")


class EmailUndeleted(EventData, frozen=True):
    """Messages that counted as deleted exist at Gmail."""

    type: ClassVar[str] = "email.undeleted"
    ids: _Ids = Field(max_length=IDS_PER_EVENT, description="Gmail's ids, hex")


class Relabelled(BaseModel, frozen=True, extra="forbid"):
    """The labels of one message that changed, in the order of their changes."""

    id: str = Field(description="Gmail's id, hex")
    added: list[str] = Field(description="Gmail's label ids")
    removed: list[str] = Field(description="Gmail's label ids")


class EmailRelabelled(EventData, frozen=True):
    """Labels of stored messages changed, including UNREAD and STARRED."""

    type: ClassVar[str] = "email.relabelled"
    changes: list[Relabelled] = Field(max_length=IDS_PER_EVENT)


class Rethreaded(BaseModel, frozen=True, extra="forbid"):
    """A message and its thread."""

    id: str = Field(description="Gmail's id, hex")
    thread_id: str = Field(description="Gmail's id of the thread, hex")


class EmailRethreaded(EventData, frozen=True):
    """Messages were moved to the threads that Gmail reports."""

    type: ClassVar[str] = "email.rethreaded"
    changes: list[Rethreaded] = Field(max_length=IDS_PER_EVENT)


class EmailAnalyzed(EventData, frozen=True):
    """Analysis of a segment's messages was stored."""

    type: ClassVar[str] = "email.analyzed"
    fleet: ClassVar[bool] = True
    segment: str
    messages: int = Field(description="the mailbox's messages in the segment")
    analysers: dict[str, int] = Field(description="lowest version of each analyser; 0: some rows have no result")


class AnalyticsUpdateRequired(EventData, frozen=True):
    """Statistics of the mailbox changed: read them again."""

    type: ClassVar[str] = "analytics.update_required"
    reasons: list[Literal["received", "deleted", "relabelled", "analyzed"]]
    first_at: datetime | None = Field(description="earliest date of received mail; null: unknown")
    last_at: datetime | None = Field(description="latest date of received mail; null: unknown")


class SyncStarted(EventData, frozen=True):
    """A listing of the whole mailbox began. Incremental syncs publish no start."""

    type: ClassVar[str] = "email.sync.started"
    fleet: ClassVar[bool] = True
    mode: Literal["full", "reconcile"]


class SyncProgress(EventData, frozen=True):
    """A full sync or a reconciliation stored mail."""

    type: ClassVar[str] = "email.sync.progress"
    fleet: ClassVar[bool] = True
    stored: int = Field(description="messages of this commit")
    estimate: int = Field(description="messages that Gmail reports for the mailbox")


class SyncCompleted(EventData, frozen=True):
    """The mailbox is complete up to a history id. Rounds without changes publish nothing."""

    type: ClassVar[str] = "email.sync.completed"
    fleet: ClassVar[bool] = True
    history_id: str | None
    listed: bool = Field(description="whether the whole mailbox was listed")


class SyncFailed(EventData, frozen=True):
    """The mailbox's sync has a new error, and is retried unless the grant was revoked."""

    type: ClassVar[str] = "email.sync.failed"
    fleet: ClassVar[bool] = True
    error: str = Field(max_length=500)
    revoked: bool = Field(description="whether Google refuses the grant")


class SyncStopped(EventData, frozen=True):
    """The sync was stopped on request."""

    type: ClassVar[str] = "email.sync.stopped"
    fleet: ClassVar[bool] = True


class AccountRevoked(EventData, frozen=True):
    """Google refuses the mailbox's grant until its owner renews it."""

    type: ClassVar[str] = "account.revoked"
    fleet: ClassVar[bool] = True
    error: str | None = Field(max_length=500)


class MailboxMended(EventData, frozen=True):
    """A comparison with Gmail repaired differences; the fields are counts."""

    type: ClassVar[str] = "mailbox.mended"
    fleet: ClassVar[bool] = True
    missing: int
    deleted: int
    revived: int
    labels: int
    threads: int
    late: int = 0
    refetched: int = 0


class MessagesDamaged(EventData, frozen=True):
    """Archived messages are damaged."""

    type: ClassVar[str] = "messages.damaged"
    fleet: ClassVar[bool] = True
    private: ClassVar[frozenset[str]] = frozenset({"ids"})
    segment: str
    messages: int
    ids: list[str] = Field([], description="the first of Gmail's ids, hex")


class MessagesStored(EventData, frozen=True):
    """Messages were stored, as 0.1 reported it."""

    type: ClassVar[str] = "messages.stored"
    superseded_by: ClassVar[str | None] = "email.received"
    segment: str
    messages: int


class MailboxSynced(EventData, frozen=True):
    """The mailbox is complete, as 0.1 reported it."""

    type: ClassVar[str] = "mailbox.synced"
    superseded_by: ClassVar[str | None] = "email.sync.completed"
    cursor: str
    at: str


class MailboxRevoked(EventData, frozen=True):
    """Google refuses the grant, as 0.1 reported it."""

    type: ClassVar[str] = "mailbox.revoked"
    superseded_by: ClassVar[str | None] = "account.revoked"
    error: str | None


TYPES: tuple[type[EventData], ...] = (
    *(EmailReceived, EmailDeleted, EmailUndeleted, EmailRelabelled, EmailRethreaded, EmailAnalyzed),
    *(AnalyticsUpdateRequired, SyncStarted, SyncProgress, SyncCompleted, SyncFailed, SyncStopped),
    *(AccountRevoked, MailboxMended, MessagesDamaged, MessagesStored, MailboxSynced, MailboxRevoked),
)

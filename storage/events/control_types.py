"""Events of accounts, keys, sessions, operations and shards, most of them published by the control database."""

from typing import ClassVar, Literal

from pydantic import Field

from storage.events.event_type import EventData


class UserAuthenticated(EventData, frozen=True):
    """A session began: an API key or a Google sign-in was exchanged for tokens."""

    type: ClassVar[str] = "user.authenticated"
    fleet: ClassVar[bool] = True
    role: str
    key_id: str | None = Field(description="the API key; null: Google sign-in")


class KeyCreated(EventData, frozen=True):
    """An API key was created."""

    type: ClassVar[str] = "key.created"
    fleet: ClassVar[bool] = True
    key_id: str
    role: str


class KeyRevoked(EventData, frozen=True):
    """An API key was revoked."""

    type: ClassVar[str] = "key.revoked"
    fleet: ClassVar[bool] = True
    key_id: str


class AccountAdded(EventData, frozen=True):
    """A mailbox was added, or added again after its removal."""

    type: ClassVar[str] = "account.added"
    fleet: ClassVar[bool] = True
    shard: int


class AccountRemoved(EventData, frozen=True):
    """The backup of a mailbox ended and its credentials were deleted. Stored mail is kept."""

    type: ClassVar[str] = "account.removed"
    fleet: ClassVar[bool] = True


class AccountPaused(EventData, frozen=True):
    """The backup of a mailbox was paused."""

    type: ClassVar[str] = "account.paused"
    fleet: ClassVar[bool] = True


class AccountResumed(EventData, frozen=True):
    """The backup of a mailbox was resumed."""

    type: ClassVar[str] = "account.resumed"
    fleet: ClassVar[bool] = True


class BackfillCreated(EventData, frozen=True):
    """A campaign was requested."""

    type: ClassVar[str] = "backfill.created"
    about_user: ClassVar[bool] = False
    fleet: ClassVar[bool] = True
    id: str
    mode: str
    mailboxes: int


class BackfillChanged(EventData, frozen=True):
    """A campaign changed its state, or its job was submitted."""

    type: ClassVar[str] = "backfill.changed"
    about_user: ClassVar[bool] = False
    fleet: ClassVar[bool] = True
    id: str
    state: str = Field(description="running, cancelling, cancelled, complete or incomplete")
    run: int = Field(description="jobs submitted so far")


class OperationCreated(EventData, frozen=True):
    """A long-running operation on the mailbox was requested."""

    type: ClassVar[str] = "operation.created"
    fleet: ClassVar[bool] = True
    id: str = Field(description="as in /api/v1/sync/operations")
    kind: Literal["restore"]


class OperationChanged(EventData, frozen=True):
    """A long-running operation on the mailbox changed its state."""

    type: ClassVar[str] = "operation.changed"
    fleet: ClassVar[bool] = True
    id: str = Field(description="as in /api/v1/sync/operations")
    kind: Literal["restore"]
    state: str


class ShardMoved(EventData, frozen=True):
    """A shard was moved to another database."""

    type: ClassVar[str] = "shard.moved"
    about_user: ClassVar[bool] = False
    fleet: ClassVar[bool] = True
    shard: int
    source: int = Field(description="index of the former database")
    target: int = Field(description="index of the present database")


class OwnerReplaced(EventData, frozen=True):
    """A new owner acquired the shard."""

    type: ClassVar[str] = "owner.replaced"
    about_user: ClassVar[bool] = False
    fleet: ClassVar[bool] = True
    shard: int
    epoch: int


class SegmentsCompacted(EventData, frozen=True):
    """Segments were merged."""

    type: ClassVar[str] = "segments.compacted"
    about_user: ClassVar[bool] = False
    fleet: ClassVar[bool] = True
    segment: str
    merged: list[str]


class QuotaExhausted(EventData, frozen=True):
    """The project's free quota units of a day are reserved. Syncs continue at midnight, Pacific time."""

    type: ClassVar[str] = "quota.exhausted"
    about_user: ClassVar[bool] = False
    fleet: ClassVar[bool] = True
    day: str
    units: int = Field(description="free units of the day")


TYPES: tuple[type[EventData], ...] = (
    *(UserAuthenticated, KeyCreated, KeyRevoked, AccountAdded, AccountRemoved, AccountPaused, AccountResumed),
    *(BackfillCreated, BackfillChanged, OperationCreated, OperationChanged),
    *(ShardMoved, OwnerReplaced, SegmentsCompacted, QuotaExhausted),
)

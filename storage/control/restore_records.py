"""A restore, its messages and its labels, as values; and why one cannot be begun or changed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.errors import BackupError
from storage.model.records import User


class GrantEnded(BackupError):
    """The grant by which a restore was begun has ended. Resume it by another, or let the owner resume it."""

    def __str__(self) -> str:
        return "The grant by which this restore was begun or resumed has ended: resume it by another grant."


class RestoreState(StrEnum):
    """State of a restore. All but complete can be resumed."""

    RUNNING = "running"
    PAUSING = "pausing"  # its job is told at its next look
    PAUSED = "paused"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # ended, but some messages could not be restored


#: States in which a job works on it.
AT_WORK = (RestoreState.RUNNING, RestoreState.PAUSING, RestoreState.CANCELLING)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which messages are restored, and as what they come back.

    as_of: the mailbox at that time; None: now. deleted_since: only messages that were deleted in Gmail since then.
    thread: Gmail's hex id. relabel: messages that the target has already get their labels back, too.
    """

    query: str = ""
    thread: str | None = None
    deleted_since: datetime | None = None
    as_of: datetime | None = None
    relabel: bool = False

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "query": self.query,
            "thread": self.thread,
            "deleted_since": self.deleted_since.isoformat() if self.deleted_since else None,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "relabel": self.relabel,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Selection":
        """The selection of `as_json`."""
        times = {
            name: datetime.fromisoformat(document[name]) if document[name] else None
            for name in ("deleted_since", "as_of")
        }
        return cls(**{**document, **times})


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore, with the number of its messages by state. planned: they are known; before, total is 0."""

    restore_id: int
    source: User
    target: User
    selection: Selection
    state: RestoreState
    requested_by: str
    runs: int
    created_at: datetime
    planned_at: datetime | None
    ended_at: datetime | None
    error: str | None
    total: int
    done: int
    present: int
    failed: int
    sent: int
    different: int
    size_bytes: int

    @property
    def number(self) -> int:
        """The restore's id."""
        return self.restore_id

    @property
    def job_id(self) -> str:
        """Id of its current Ray Job."""
        return f"restore-{self.restore_id}-{self.runs}"

    @property
    def at_work(self) -> bool:
        """Whether a job works on it, or should."""
        return self.state in AT_WORK

    def as_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "id": str(self.restore_id),
            "email": self.source.email,
            "to": self.target.email,
            **self.selection.as_json(),
            "state": self.state.value,
            "requested_by": self.requested_by,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "job_id": self.job_id,
            "planned": self.planned_at is not None,
            "total": self.total,
            "done": self.done,
            "present": self.present,
            "failed": self.failed,
            "different": self.different,
            "size_bytes": self.size_bytes,
            "error": self.error,
        }

    @property
    def left(self) -> int:
        """Messages of which nothing has become yet."""
        return self.total - self.done - self.present - self.failed


@dataclass(frozen=True, slots=True)
class RestoreMessage:
    """A message of a restore; ids of labels are the archive's. state: as in the table."""

    message_id: int
    position: int
    thread_id: int
    received_at: datetime
    sha256: bytes
    size_bytes: int
    labels: tuple[str, ...]
    state: str = "pending"
    attempts: int = 0
    sent_at: datetime | None = None
    sent_ago_s: float | None = None  # seconds since sent_at, by the database's clock, as of the reading
    history_id: int | None = None
    new_id: int | None = None
    new_thread: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class MessageOutcome:
    """What became of a message."""

    message_id: int
    state: str
    new_id: int | None = None
    new_thread: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class LabelOutcome:
    """What a label of the archive is in the target mailbox; target_id None: it is left out."""

    label_id: str
    name: str
    target_id: str | None
    outcome: str
    detail: str


class UnknownRestore(BackupError):
    """The restore does not exist for this caller. See the list."""

    def __init__(self, restore_id: int) -> None:
        super().__init__(restore_id)
        self.restore_id = restore_id

    def __str__(self) -> str:
        return f"There is no restore {self.restore_id}: see `gbm restore --list`."


class RestoreConflict(BackupError):
    """The state of a restore does not allow the operation. See its state."""

    def __init__(self, restore_id: int, state: str) -> None:
        super().__init__(restore_id, state)
        self.restore_id, self.state = restore_id, state

    def __str__(self) -> str:
        return f"Restore {self.restore_id} is {self.state}: see `gbm restore --list`."


class TargetBusy(BackupError):
    """Another restore into the mailbox has not ended. Resume or cancel that one first."""

    def __init__(self, restore_id: int, email: str) -> None:
        super().__init__(restore_id, email)
        self.restore_id, self.email = restore_id, email

    def __str__(self) -> str:
        return (
            f"Restore {self.restore_id} into {self.email} has not ended: run `gbm restore --resume "
            f"{self.restore_id}` to go on with it, or `gbm restore --cancel {self.restore_id}` to end it."
        )

"""Reasons for which work waits, as one typed value that every display uses.

The owner of a shard keeps its reasons (actors/wait_log.py); storage/control/wait_reasons.py stores them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

#: The user id of a reason that applies to the whole shard.
WHOLE_SHARD = 0


class WaitKind(StrEnum):
    """Why work waits."""

    GMAIL_UNREACHABLE = "gmail_unreachable"
    GMAIL_REFUSED = "gmail_refused"
    GMAIL_THROTTLED = "gmail_throttled"
    GMAIL_UNREADABLE = "gmail_unreadable"
    QUOTA_SPENT = "quota_spent"
    DISK_FULL = "disk_full"
    DISK_READ_ONLY = "disk_read_only"
    ARCHIVE_UNUSABLE = "archive_unusable"
    DATABASE_UNREACHABLE = "database_unreachable"
    OWNER_SILENT = "owner_silent"
    BROKER_SILENT = "broker_silent"
    NO_WORKER = "no_worker"
    PAUSED = "paused"
    OTHER = "other"

    @classmethod
    def _missing_(cls, _value: object) -> "WaitKind":
        """A kind that an owner of a newer release stored is read as OTHER: its detail still says why."""
        return cls.OTHER


_REMEDIES = {
    WaitKind.GMAIL_UNREACHABLE: "check the network and GBM_GMAIL__ENDPOINT; calls are retried automatically",
    WaitKind.GMAIL_REFUSED: "check the account's scopes and the project's settings at Google",
    WaitKind.GMAIL_THROTTLED: "nothing: work continues when Gmail permits it",
    WaitKind.GMAIL_UNREADABLE: "if it stays so, report the answer",
    WaitKind.QUOTA_SPENT: (
        "nothing: work continues at the time given; GBM_GMAIL__ALLOW_PAID_UNITS=true spends units that Google bills, "
        "and Google may grant more"
    ),
    WaitKind.DISK_FULL: (
        "free space on the archive's disk, or lower GBM_ARCHIVE__RESERVE_BYTES; work continues automatically"
    ),
    WaitKind.DISK_READ_ONLY: "mount the archive's disk for writing; work continues automatically",
    WaitKind.ARCHIVE_UNUSABLE: "see the reason; writes are retried automatically",
    WaitKind.DATABASE_UNREACHABLE: "start PostgreSQL or correct its DSN; work continues automatically",
    WaitKind.OWNER_SILENT: "nothing: the owner is being replaced; see the cluster's log if it stays so",
    WaitKind.BROKER_SILENT: "nothing: the broker is being replaced; see the cluster's log if it stays so",
    WaitKind.NO_WORKER: "raise GBM_RAY__CPUS, or wait for other work to end",
    WaitKind.PAUSED: "resume the mailbox",
    WaitKind.OTHER: "see the reason; a newer version of the program gave it",
}


@dataclass(frozen=True, slots=True)
class WaitReason:
    """A reason for which a mailbox, or a whole shard, waits.

    Attributes:
        detail: one sentence; no secret, no content of mail.
        since: start of the wait, seconds since 1970.
        attempts: failed attempts since then.
        next_attempt_at: seconds since 1970; None: not scheduled.
    """

    shard_id: int
    user_id: int
    kind: WaitKind
    detail: str
    since: float
    attempts: int = 1
    next_attempt_at: float | None = None

    @property
    def remedy(self) -> str:
        """The action that ends the wait."""
        return _REMEDIES[self.kind]

    @property
    def key(self) -> tuple[int, WaitKind]:
        """Identity of the reason: (user, kind)."""
        return self.user_id, self.kind

    def as_json(self) -> dict[str, Any]:
        """The reason as JSON values."""
        return {
            "kind": self.kind.value,
            "detail": self.detail,
            "since": _moment(self.since),
            "attempts": self.attempts,
            "next_attempt_at": _moment(self.next_attempt_at) if self.next_attempt_at is not None else None,
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        tries = f", {self.attempts} tries" if self.attempts > 1 else ""
        until = f", next at {_clock(self.next_attempt_at)}" if self.next_attempt_at is not None else ""
        return f"{self.kind.value}: {self.detail} (since {_clock(self.since)}{tries}{until}); {self.remedy}"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"

"""The records that storage accepts and returns, as frozen values.

Ids are Gmail's 64-bit numbers as Python ints (`message_id.py` converts them); times are aware and UTC.
"""

from array import array
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from storage.model.message_id import to_hex

#: The label id of an event that records a deletion. No label id of Gmail's contains a backslash.
DELETED = "\\Deleted"
#: Prefix of the label id of an event that records a mended thread: the thread's id in hex follows.
THREAD = "\\Thread:"
#: Prefix of the label id of an event that records a message's classification labels: Gmail's JSON follows.
CLASSIFICATION = "\\Classification:"


class Phase(StrEnum):
    """State of a mailbox's backup, stored in `mailboxes.phase`."""

    NEW = "new"  # no sync has been requested
    FULL = "full"  # a full sync is running: cursor pinned, listing, fetching
    RECONCILE = "reconcile"  # Gmail expired the history after the cursor: ids and labels are listed again
    CURRENT = "current"  # complete up to its cursor
    REVOKED = "revoked"  # Google refuses the credentials until the owner renews them
    STOPPED = "stopped"  # stopped on request; the next sync request resumes it


@dataclass(frozen=True, slots=True)
class User:
    """A mailbox's identity in the control database."""

    user_id: int
    email: str
    shard_id: int


@dataclass(frozen=True, slots=True)
class MailboxRecord:
    """A mailbox's durable sync state, which its shard reads after a restart.

    cursor: history id up to which everything is stored or filed as failed; None before the first full sync ends.
    pinned: history id read before the listing of a full sync that is under way.
    resume: phase in which a stopped or revoked mailbox continues.
    reading_from: history id at which the next history read begins, before the cursor; None: at the cursor.
    """

    user_id: int
    email: str
    phase: Phase = Phase.NEW
    cursor: int | None = None
    pinned: int | None = None
    estimate: int = 0
    messages: int = 0
    size_bytes: int = 0
    units: int = 0
    error: str | None = None
    synced_at: datetime | None = None
    resume: Phase | None = None
    listed_at: datetime | None = None
    reading_from: int | None = None
    reconciled_at: datetime | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "MailboxRecord":
        """The record of a row of `mailboxes`, by column."""
        resume = Phase(row["resume"]) if row["resume"] else None
        return cls(**{**row, "phase": Phase(row["phase"]), "resume": resume})


@dataclass(frozen=True, slots=True)
class Mended:
    """Numbers of repaired differences from Gmail: of messages; labels: of labels on messages.

    threads: messages that belonged to another thread than Gmail says. late: history records that Gmail had left out of
    an answer which claimed to reach beyond them. refetched: messages whose bytes were cut, or another's, at first.
    """

    missing: int = 0
    deleted: int = 0
    revived: int = 0
    labels: int = 0
    threads: int = 0
    late: int = 0
    refetched: int = 0

    @property
    def total(self) -> int:
        """The sum of all numbers."""
        return sum(astuple(self))

    def plus(self, other: "Mended", sign: int = 1) -> "Mended":
        """The sums of all numbers; with `sign` -1 the differences."""
        return Mended(*(mine + sign * yours for mine, yours in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class MailboxUpdate:
    """Changes of one commit to a mailbox's row. The segment's messages and bytes are added to the row's counts.

    units: total quota units spent so far, so that repeating a commit counts no unit twice.
    synced: a sync round ended; quiet: the round had no changes, so no event is published.
    listed: the whole mailbox was listed, and everything listed is stored or filed.
    reading_from: as in `MailboxRecord`. reconciled: ids and labels were compared with Gmail's.
    mended: what this commit mends that was found by looking; None: nothing.
    """

    user_id: int
    phase: Phase
    cursor: int | None
    pinned: int | None
    estimate: int
    units: int = 0
    error: str | None = None
    synced: bool = False
    quiet: bool = False
    listed: bool = False
    resume: Phase | None = None
    reading_from: int | None = None
    reconciled: bool = False
    mended: Mended | None = None


@dataclass(frozen=True, slots=True)
class StoredLabels:
    """The labels of a mailbox's stored messages, by column: 8 bytes per message and 8 per label of a message.

    rows: label -> positions in `message_ids` of the messages that carry the label.
    """

    message_ids: "array[int]"
    deleted: list[bool]
    rows: "dict[str, array[int]]"


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A label added to a message (`on`) or removed from it, or the message's deletion (`label_id=DELETED`).

    A `label_id` that begins with THREAD moves the message to a thread (`thread_change`); with CLASSIFICATION it records
    the message's classification labels (`classification_change`).

    mends: from a reconciliation instead of the history; it follows history records with the same history id.
    """

    user_id: int
    message_id: int
    label_id: str
    on: bool
    history_id: int
    mends: bool = False


def thread_change(user_id: int, message_id: int, thread_id: int, history_id: int) -> LabelChange:
    """The change that moves a stored message to the thread that Gmail says it belongs to."""
    return LabelChange(user_id, message_id, THREAD + to_hex(thread_id), True, history_id, mends=True)


def classification_change(user_id: int, message_id: int, values: str) -> LabelChange:
    """The change that records a message's classification labels. `values`: Gmail's JSON."""
    return LabelChange(user_id, message_id, CLASSIFICATION + values, True, 0, mends=True)


class LabelRow(NamedTuple):
    """A label's definition. name: None: unchanged. visibility, color: as in jobs/gmail/records.py."""

    label_id: str
    name: str | None
    type: str
    visibility: str = ""
    color: str = ""


class FailedKind(StrEnum):
    """Why a message is retried or rechecked."""

    MISSING = "missing"  # not stored
    CHECK = "check"  # stored, but missing from a listing; deleted only if a get returns 404 twice
    SUSPECT = "suspect"  # as CHECK, for many messages at once; rechecked later


@dataclass(frozen=True, slots=True)
class FailedItem:
    """A message that could not be fetched yet and is retried at `not_before`.

    since: when it first failed; None: with this commit.
    """

    user_id: int
    message_id: int
    attempts: int
    error: str
    not_before: datetime
    kind: FailedKind = FailedKind.MISSING
    since: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item of a response without a readable id. item: the text in place of the id; where: the response."""

    user_id: int
    item: str
    where: str


@dataclass(frozen=True, slots=True)
class SegmentUser:
    """One user's share of a segment: the catalog finds the files of a user and a time range by it."""

    user_id: int
    messages: int
    size_bytes: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file of the archive as it was written: its whole name, its size and its SHA-256."""

    name: str
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class AnalysisManifest:
    """An analysis file of a segment (segments/analysis_file.py), written and synced, not visible until its commit.

    versions: (analyser, lowest version among the rows; 0: some rows have no result).
    sha256: of the file; None: it was written earlier.
    """

    name: str
    size_bytes: int
    versions: tuple[tuple[str, int], ...]
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class SegmentManifest:
    """The files of one segment, written and synced, not visible until their commit.

    name: globally unique; begins with the shard and the epoch that wrote the segment.
    words_bytes: size of the full-text split; None: there is no split, and searches scan the Parquet file.
    analysis: analysis of its messages; None: the messages were not analysed.
    digests: of the files that were written with this manifest, without the analysis.
    """

    name: str
    shard_id: int
    epoch: int
    messages: int
    size_bytes: int
    raw_bytes: int
    parquet_bytes: int
    defective: int
    users: tuple[SegmentUser, ...]
    words_bytes: int | None = None
    analysis: AnalysisManifest | None = None
    digests: tuple[FileDigest, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment that readers use now.

    stored_bytes: size of its files; excluded: why compaction skips the segment; analysis: name of its analysis file.
    """

    name: str
    messages: int
    size_bytes: int
    stored_bytes: int
    excluded: str | None = None
    analysis: str | None = None


@dataclass(frozen=True, slots=True)
class AnalysedSegment:
    """A live segment. analysis: name of its analysis file, if any; versions: as in AnalysisManifest."""

    name: str
    messages: int
    analysis: str | None
    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MergedPart:
    """A source segment of a merge.

    base_offset: number of bytes by which its frames moved; None: the messages were re-packed into new frames.
    analysis: name of the analysis file that was merged with the segment.
    """

    name: str
    base_offset: int | None
    analysis: str | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """Result of a merge: files that are written and synced, not visible until their commit.

    segment: the merged files; None when fewer than two segments could be merged.
    excluded: (segment, reason) of segments skipped because their files are damaged.
    damaged: (user, message) in the merged segment whose bytes were already damaged.
    """

    segment: SegmentManifest | None
    parts: tuple[MergedPart, ...]
    excluded: tuple[tuple[str, str], ...]
    damaged: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """All changes of one transaction.

    Repeatable: when the segment is already in the catalog, the commit is a no-op.
    """

    shard_id: int
    owner: str
    epoch: int
    segment: SegmentManifest | None = None
    mailboxes: tuple[MailboxUpdate, ...] = ()
    changes: tuple[LabelChange, ...] = ()
    failed: tuple[FailedItem, ...] = ()
    settled: tuple[tuple[int, int], ...] = field(default=())
    """(user_id, message_id) whose failed row goes: it landed, or Gmail has it no longer."""
    unreadable: tuple[Unreadable, ...] = ()

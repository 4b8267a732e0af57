"""The decisions of a shard, and their outcomes. Frozen values, no behaviour.

The shell (actors/owner.py) carries out decisions and reports outcomes; neither side waits inside the other.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from storage.model.records import Commit, LabelChange, SegmentManifest
from storage.model.wait_reasons import WaitKind

if TYPE_CHECKING:  # these import pyarrow, which commands that only name a `Mode` do not need
    from actors.listing import Listed as ListedIds
    from actors.reconcile import Differences


class Mode(StrEnum):
    """The kind of sync: list everything, follow changes, or compare everything and repair differences."""

    FULL = "full"
    INCREMENTAL = "incremental"
    RECONCILE = "reconcile"


@dataclass(frozen=True, slots=True)
class Pin:
    """Read the mailbox's history id, its size and its labels."""

    user_id: int


@dataclass(frozen=True, slots=True)
class ListPage:
    """Read one page of the listing, Spam and Trash included. `label_id`: only of messages that carry this label."""

    user_id: int
    page_token: str | None
    label_id: str | None = None


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask a second source how many messages a listing should have named.

    label_id: of a label's listing; None: of all ids. since: the history id before that listing.
    """

    user_id: int
    label_id: str | None
    since: int


@dataclass(frozen=True, slots=True)
class ReadLabels:
    """Read the definitions of the mailbox's labels."""

    user_id: int


@dataclass(frozen=True, slots=True)
class ReadHistory:
    """Read one page of the changes since `start`."""

    user_id: int
    start: int
    page_token: str | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch these messages' exact bytes. `grant`: how often the mailbox's grant had been renewed."""

    user_id: int
    message_ids: tuple[int, ...]
    grant: int = 0


@dataclass(frozen=True, slots=True)
class Compare:
    """Find differences between the archive and the listing (actors/reconcile.py)."""

    user_id: int
    pinned: int
    listed: "ListedIds"


@dataclass(frozen=True, slots=True)
class Watch:
    """Renew Gmail's notifications of this mailbox's changes."""

    user_id: int


Call = Pin | ListPage | Confirm | ReadLabels | ReadHistory | Fetch | Compare | Watch


@dataclass(frozen=True, slots=True)
class FetchedBatch:
    """Fetched mail that waits for its segment: a reference to the bytes, never the bytes.

    skip: messages behind the reference that are stored already. classified: as of `Fetched`.
    """

    user_id: int
    message_ids: tuple[int, ...]
    size_bytes: int
    fetched_at: float
    reference: object
    skip: tuple[int, ...] = ()
    classified: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Write:
    """Write a segment of these. `skip`: (user, message) that the index has already."""

    batches: tuple[FetchedBatch, ...]
    skip: frozenset[tuple[int, int]] = frozenset()
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Written:
    """A segment's files exist. `manifest` is None when everything in it was to be skipped."""

    write: Write
    manifest: SegmentManifest | None
    index: object


@dataclass(frozen=True, slots=True)
class CommitNow:
    """Commit this. Repeat it if its outcome is unknown; a repetition has no effect."""

    plan: Commit
    written: Written | None
    not_before: float = 0.0


Decision = Call | Write | CommitNow


@dataclass(frozen=True, slots=True)
class Pinned:
    """Gmail's response to Pin. `estimate`: messages in the mailbox."""

    history_id: int
    estimate: int
    label_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the listing: its ids that are not stored yet, and all of them. Of a label's, only all.

    unreadable: what stood where an id should. threads: (message, thread) where another thread is stored and a second
    answer said the same. units: what the page cost beyond its call.
    """

    unknown: tuple[int, ...]
    next_page_token: str | None
    listed: tuple[int, ...] = ()
    unreadable: tuple[str, ...] = ()
    threads: tuple[tuple[int, int], ...] = ()
    units: int = 0


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The second source's answer. added, deleted: by the history since the listing began. units: what it cost in all.

    history_id: the mailbox's present one; None: it was not asked for.
    """

    total: int
    added: tuple[int, ...] = ()
    deleted: tuple[int, ...] = ()
    units: int = 0
    history_id: int | None = None


@dataclass(frozen=True, slots=True)
class LabelsRead:
    """The mailbox's labels; their definitions are stored."""

    label_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """A page of history. `upto`: every change up to this history id is in this page or an earlier one.

    returned: messages that it says arrived, and that count as deleted. unreadable: records that could not be read.
    threads, units: as of `Listed`. added_at: (message, history id) of `unknown`.
    """

    unknown: tuple[int, ...]
    changes: tuple[LabelChange, ...]
    upto: int | None
    next_page_token: str | None
    returned: tuple[int, ...] = ()
    unreadable: tuple[str, ...] = ()
    threads: tuple[tuple[int, int], ...] = ()
    units: int = 0
    added_at: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """Differences between the archive and the listing."""

    differences: "Differences"


@dataclass(frozen=True, slots=True)
class Watched:
    """Gmail pushes until then (seconds since 1970)."""

    expires_at: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not fetched. `charged`: it was requested, so the attempt counts."""

    message_id: int
    error: str
    retryable: bool
    charged: bool
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """The outcome of every message of a Fetch. `pause_s`: the pause that Gmail requests for this user.

    withheld: failures whose mail lies behind the reference all the same, and is not to be stored. classified: (message,
    its classification labels) of those landed that have any. refetched: messages whose bytes were wrong at first.
    """

    landed: tuple[int, ...]
    gone: tuple[int, ...]
    failures: tuple[Failure, ...]
    size_bytes: int
    reference: object
    units: int
    pause_s: float | None = None
    pause_scope: str = "user"
    withheld: tuple[int, ...] = ()
    classified: tuple[tuple[int, str], ...] = ()
    refetched: int = 0


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A call failed. At most one of the flags is set; without one, the call should be retried later.

    start_refused: Gmail rejects the history id where reading begins. scope: whose calls should pause, "user",
    "project" or "concurrency". kind: the remedy.
    """

    error: str
    units: int = 0
    history_expired: bool = False
    revoked: bool = False
    page_refused: bool = False
    start_refused: bool = False
    retry_after_s: float | None = None
    scope: str = "user"
    kind: WaitKind | None = None


Outcome = Pinned | Listed | Confirmed | LabelsRead | Changed | Fetched | Compared | Watched | CallFailed

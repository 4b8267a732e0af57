"""The state of one shard, and its properties. actors/shard.py changes it."""

from collections import Counter, deque
from dataclasses import dataclass, fields

from actors.backoff import Concurrency, ErrorBackoff
from actors.config import ShardConfig
from actors.decisions import (
    CommitNow,
    Write,
)
from actors.mailbox import Mailbox
from actors.plans import MailboxPlan
from actors.quota import ShardQuota
from actors.ready_queue import ReadyQueue
from actors.scheduler import Scheduler
from actors.segment_buffer import SegmentBuffer
from storage.catalog.leases import Lease
from storage.config import ArchiveConfig
from storage.model.records import Mended


@dataclass(frozen=True, slots=True)
class Pending:
    """A commit in progress, and its plan for each mailbox."""

    decision: CommitNow
    plans: tuple[MailboxPlan, ...]


class ShardState:
    """The parts of one shard's state."""

    def __init__(self, lease: Lease, config: ShardConfig, archive: ArchiveConfig, quota: ShardQuota) -> None:
        self.lease, self.quota, self._config = lease, quota, config
        self._mailboxes: dict[int, Mailbox] = {}
        self._active: set[int] = set()
        self._rounds: set[int] = set()  # mailboxes with a round in progress
        self._changed: dict[int, None] = {}  # mailboxes with events, in order
        self._touched: dict[int, None] = {}  # mailboxes that may have changes to commit
        self._ready_queue = ReadyQueue()
        self._scheduler = Scheduler(config.poll, lease.shard_id, config.evidence.reconcile_every_s)
        self._fetches: dict[int, int] = {}  # user -> fetches in flight
        self._fetches_out = 0
        self._concurrency = Concurrency(config.fetches_per_mailbox)
        self._calls = 0  # other calls in flight
        self._calling: dict[int, int] = {}  # user -> other calls in flight
        self._error_backoff = ErrorBackoff(config.retry.first_delay_s)
        self._segment_buffer = SegmentBuffer(config, archive)
        self._pending: Pending | None = None
        self._alone: deque[int] = deque()  # mailboxes whose changes are committed alone
        self._doubted: Write | None = None  # a refused segment, perhaps because of a mailbox's changes
        self._commit_due: float | None = None  # the pending commit waits for its retry
        self.committed_messages = 0
        self._mended: Counter[str] = Counter()  # number of repairs by reconciliations, by kind

    def mailbox(self, user_id: int) -> Mailbox | None:
        """An open mailbox."""
        return self._mailboxes.get(user_id)

    @property
    def quiet(self) -> bool:
        """Whether nothing is in progress or queued."""
        return not (self._active or self._touched or self._segment_buffer.holding or self.storing)

    @property
    def waiting(self) -> int:
        """Approximate number of mailboxes with calls to make."""
        return self._ready_queue.waiting

    def measures(self) -> dict[str, float]:
        """Counts of work in progress; those named `…_total` only grow."""
        return {
            "waiting_mailboxes": self._ready_queue.waiting,
            "calls": self._fetches_out + self._calls,
            "committed_messages_total": self.committed_messages,
            **{f"mended_{name.name}_total": self._mended[name.name] for name in fields(Mended)},
        }

    @property
    def storing(self) -> bool:
        """Whether a segment is being written, or waits for its commit."""
        return self._segment_buffer.storing or self._pending is not None

    def _touch(self, user_id: int) -> None:
        """Queue a changed mailbox, and check it for changes at the next commit."""
        self._touched[user_id] = None
        self._changed[user_id] = None
        self._active.add(user_id)

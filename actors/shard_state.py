"""What one shard's state consists of, and what may be asked of it. actors/shard.py makes it work."""

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
    """A commit under way and what it says of each mailbox."""

    decision: CommitNow
    plans: tuple[MailboxPlan, ...]


class ShardState:
    """The parts of one shard's state."""

    def __init__(self, lease: Lease, config: ShardConfig, archive: ArchiveConfig, quota: ShardQuota) -> None:
        self.lease, self.quota, self._config = lease, quota, config
        self._mailboxes: dict[int, Mailbox] = {}
        self._active: set[int] = set()
        self._rounds: set[int] = set()  # mailboxes whose round is under way
        self._changed: dict[int, None] = {}  # mailboxes that something was told of, in order
        self._touched: dict[int, None] = {}  # mailboxes that may have news for a commit
        self._ready_queue = ReadyQueue()
        self._scheduler = Scheduler(config.poll, lease.shard_id, config.evidence.reconcile_every_s)
        self._fetches: dict[int, int] = {}  # user -> fetches out
        self._fetches_out = 0
        self._concurrency = Concurrency(config.fetches_per_mailbox)
        self._calls = 0  # other calls out
        self._calling: dict[int, int] = {}  # user -> such calls
        self._error_backoff = ErrorBackoff(config.retry.first_delay_s)
        self._segment_buffer = SegmentBuffer(config, archive)
        self._pending: Pending | None = None
        self._alone: deque[int] = deque()  # mailboxes whose news is committed by itself
        self._doubted: Write | None = None  # a segment that was refused, perhaps for a mailbox's news
        self._commit_due: float | None = None  # the pending commit waits for its next try
        self.committed_messages = 0
        self._mended: Counter[str] = Counter()  # what comparisons with Gmail mended, by what it was

    def mailbox(self, user_id: int) -> Mailbox | None:
        """A mailbox that is open here."""
        return self._mailboxes.get(user_id)

    @property
    def quiet(self) -> bool:
        """Nothing is under way or owed."""
        return not (self._active or self._touched or self._segment_buffer.holding or self.storing)

    @property
    def waiting(self) -> int:
        """How many mailboxes have something to ask, about."""
        return self._ready_queue.waiting

    def measures(self) -> dict[str, float]:
        """What is under way, in numbers; those named `…_total` only grow."""
        return {
            "waiting_mailboxes": self._ready_queue.waiting,
            "calls": self._fetches_out + self._calls,
            "committed_messages_total": self.committed_messages,
            **{f"mended_{name.name}_total": self._mended[name.name] for name in fields(Mended)},
        }

    @property
    def storing(self) -> bool:
        """A segment is being written, or its commit is not in Postgres yet."""
        return self._segment_buffer.storing or self._pending is not None

    def _touch(self, user_id: int) -> None:
        """The mailbox changed: it takes its turns again, and the next commit looks whether it has news."""
        self._touched[user_id] = None
        self._changed[user_id] = None
        self._active.add(user_id)

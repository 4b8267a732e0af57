"""The sync state of one mailbox, and its properties. actors/mailbox.py changes it."""

from collections import deque
from collections.abc import Collection, Iterable

from actors.config import EvidenceConfig, RetryConfig
from actors.decisions import (
    Call,
    Mode,
)
from actors.listing import Listing
from actors.mailbox_health import MailboxHealth, recorded
from actors.overlap import Overlap
from actors.plans import HistoryPage, Progress
from actors.retry_backlog import Backlog
from actors.rounds import Event, Round, State
from storage.model.records import FailedItem, MailboxRecord, Phase, Unreadable, thread_change

#: Minimum seconds between two reconciliations that unreadable history records cause.
COMPARE_AGAIN_S = 600.0


class MailboxState:
    """The parts of one mailbox's state."""

    def __init__(
        self,
        record: MailboxRecord,
        failed: Iterable[FailedItem],
        retry: RetryConfig,
        evidence: EvidenceConfig = EvidenceConfig(),  # noqa: B008 - a frozen value
    ) -> None:
        self.user_id, self.email = record.user_id, record.email
        self._evidence = evidence
        self.health = MailboxHealth(record, evidence)
        self._cursor, self._pinned = record.cursor, record.pinned
        self._estimate = record.estimate
        self._recorded = recorded(record)
        self._mode: Mode | None = None  # of the current round
        self._again: Mode | None = None  # requested during the round
        self._round, self._rounds = Round(), 0
        self._call: Call | None = None  # the call in flight, other than fetches: at most one
        self._page_token: str | None = None
        self._tokens: set[str] = set()  # of the current listing or history
        self._barren = 0  # its consecutive pages without anything new
        self._furthest = 0  # history id of the newest record in the current pages
        self._behind = self._refused_starts = 0  # consecutive answers that contradict the cursor
        self._unsettled = 0  # consecutive reconciliations that left a label out
        self._compare_due = False  # a reconciliation must still find the changes of an unreadable record
        self.expiries = 0  # consecutive full listings because the history could not be followed
        self._compare_from = float("-inf")  # when an unreadable record may cause the next reconciliation
        self._start = 0  # start of the current history: its page tokens belong to it
        self._listing = Listing()
        self._overlap = Overlap(evidence.overlap_s)
        self._overlap.reset(record.reading_from or record.cursor)
        self._labels: frozenset[str] = frozenset()  # as last defined; empty: unknown
        self._labels_at = float("-inf")
        self._labels_due = self._watch_due = False
        self._found_changes = False  # the round found changes
        self._now = 0.0
        self._backlog = Backlog(record.user_id, failed, retry, evidence)
        self._pages: deque[HistoryPage] = deque()
        self._unreadable: dict[str, Unreadable] = {}  # stored by the next commit
        self._noted: set[str] = set()  # unreadable answers, stored by the next commit
        self._units = record.units  # spent in all
        self.stuck = 0  # answers that returned the round to an earlier step, since its last progress
        self.progress = Progress()

    @property
    def active(self) -> bool:
        """Whether a round is in progress, or its end is not committed."""
        waits = self._again is not None or self._watch_due or self._labels_due
        return self._mode is not None or bool(self._backlog.owed) or waits

    @property
    def phase(self) -> Phase:
        """The mailbox's phase, as the next commit will store it."""
        return self.health.shown

    @property
    def pollable(self) -> bool:
        """Whether the mailbox is polled: it was complete once, and is neither stopped nor refused."""
        return self.health.shown is Phase.CURRENT

    @property
    def idle(self) -> bool:
        """Whether no round is in progress."""
        return self._mode is None

    @property
    def round_state(self) -> State:
        """The current step of the round."""
        return self._round.state

    @property
    def known_history_id(self) -> int:
        """The newest history id that Gmail is known to have reached."""
        return max(self._cursor or 0, self._pinned or 0, self._start)

    @property
    def found_changes(self) -> bool:
        """Whether the current or last round found changes."""
        return self._found_changes

    @property
    def error(self) -> str | None:
        """The mailbox's error, if there is one."""
        return self.health.error

    @property
    def grant(self) -> int:
        """Number of times that the grant was renewed."""
        return self.health.grant

    @property
    def estimate(self) -> int:
        """Number of messages in the mailbox by Gmail's profile."""
        return self._estimate

    @property
    def filed(self) -> int:
        """Number of failed messages that will be retried."""
        return self._backlog.filed

    def stop(self) -> None:
        """Make no further calls, also after a restart, until `request`; messages already fetched are stored."""
        self.health.stop()
        if not self._round.idle:
            self._round.step(Event.STOPPED)
        self._mode = self._again = self._call = None
        self._watch_due = self._labels_due = False
        self._page_token, self._listing = None, Listing()
        self._backlog.stop()
        self._pages.clear()
        self._overlap.dropped()

    def _step(self, event: Event) -> None:
        """Move to another step, and discard the current pages."""
        self._round.step(event)
        self._page_token, self._barren, self._furthest = None, 0, 0
        self._tokens.clear()

    def _got_ahead(self) -> None:
        self.stuck, self.health.doubt = 0, None

    def _note(self, unreadable: Iterable[str], where: str) -> None:
        """Keep an unreadable answer; an unreadable record of history causes one reconciliation."""
        for item in unreadable:
            if item not in self._noted:
                self._noted.add(item)
                self._unreadable[item] = Unreadable(self.user_id, item, where)
                self._compare_due = self._compare_due or where == "history.list"
        if self._compare_due and self._now >= self._compare_from:
            self._again = Mode.RECONCILE

    def _rethread(self, threads: Collection[tuple[int, int]]) -> None:
        """Move messages to the threads that two of Gmail's answers agree on."""
        if threads:
            at = self.known_history_id
            changes = tuple(thread_change(self.user_id, key, thread_id, at) for key, thread_id in threads)
            self._pages.append(HistoryPage(frozenset(), changes, None))
            self.health.mended(threads=len(changes))

    def _follow(self) -> None:
        assert self._cursor is not None
        self._start = self._overlap.start(self._cursor, self._now)

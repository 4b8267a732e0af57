"""What one mailbox's sync state consists of, and what people may ask of it. actors/mailbox.py makes it work."""

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

#: Seconds between two comparisons because of history records that could not be read.
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
        self._mode: Mode | None = None  # of the round under way
        self._again: Mode | None = None  # asked for meanwhile
        self._round, self._rounds = Round(), 0
        self._call: Call | None = None  # the call that is out, unless it is a fetch: one at a time
        self._page_token: str | None = None
        self._tokens: set[str] = set()  # of the listing or history that is being paged
        self._barren = 0  # its pages without anything new, one after another
        self._furthest = 0  # history id of the newest record in the pages that are being read
        self._behind = self._refused_starts = 0  # answers in a row that contradict the cursor
        self._unsettled = 0  # comparisons in a row that left a label out
        self._compare_due = False  # what a record that could not be read says has still to be looked for
        self.expiries = 0  # times in a row that the history could not be followed, and everything was listed instead
        self._compare_from = float("-inf")  # when a record that could not be read may have everything compared again
        self._start = 0  # where the history being paged begins: page tokens belong to it
        self._listing = Listing()
        self._overlap = Overlap(evidence.overlap_s)
        self._overlap.reset(record.reading_from or record.cursor)
        self._labels: frozenset[str] = frozenset()  # as last defined; empty: not known
        self._labels_at = float("-inf")
        self._labels_due = self._watch_due = False
        self._news = False  # the round found something
        self._now = 0.0
        self._backlog = Backlog(record.user_id, failed, retry, evidence)
        self._pages: deque[HistoryPage] = deque()
        self._unreadable: dict[str, Unreadable] = {}  # to become durable with the next commit
        self._noted: set[str] = set()  # what could not be read before
        self._units = record.units  # ever spent
        self.stuck = 0  # answers that brought the round back to an earlier step, since it last got ahead
        self.progress = Progress()

    @property
    def active(self) -> bool:
        """A round is under way or its end is not committed yet."""
        waits = self._again is not None or self._watch_due or self._labels_due
        return self._mode is not None or bool(self._backlog.owed) or waits

    @property
    def phase(self) -> Phase:
        """Where the mailbox stands, as the next commit will say."""
        return self.health.shown

    @property
    def pollable(self) -> bool:
        """Complete once, neither stopped nor refused: it is kept current without being asked."""
        return self.health.shown is Phase.CURRENT

    @property
    def idle(self) -> bool:
        """No round is under way."""
        return self._mode is None

    @property
    def round_state(self) -> State:
        """What the round under way is doing."""
        return self._round.state

    @property
    def known_history_id(self) -> int:
        """The newest history id that Gmail is known to have reached."""
        return max(self._cursor or 0, self._pinned or 0, self._start)

    @property
    def found_news(self) -> bool:
        """Whether the present round, or the last one, found anything."""
        return self._news

    @property
    def error(self) -> str | None:
        """What is wrong with the mailbox as a whole."""
        return self.health.error

    @property
    def grant(self) -> int:
        """How often the grant was renewed here."""
        return self.health.grant

    @property
    def estimate(self) -> int:
        """Messages in the mailbox, as Gmail said."""
        return self._estimate

    @property
    def filed(self) -> int:
        """Messages that failed and wait for a later try."""
        return self._backlog.filed

    def stop(self) -> None:
        """Ask for nothing more, after a restart neither; what is fetched already will land. `request` resumes."""
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
        """Take a step to other pages than those that are being read."""
        self._round.step(event)
        self._page_token, self._barren, self._furthest = None, 0, 0
        self._tokens.clear()

    def _got_ahead(self) -> None:
        self.stuck, self.health.doubt = 0, None

    def _note(self, unreadable: Iterable[str], where: str) -> None:
        """Keep what could not be read; what history says of it is found by a comparison, once."""
        for item in unreadable:
            if item not in self._noted:
                self._noted.add(item)
                self._unreadable[item] = Unreadable(self.user_id, item, where)
                self._compare_due = self._compare_due or where == "history.list"
        if self._compare_due and self._now >= self._compare_from:
            self._again = Mode.RECONCILE

    def _rethread(self, threads: Collection[tuple[int, int]]) -> None:
        """Have messages moved to the threads that two answers of Gmail's name: wrong ones were stored."""
        if threads:
            at = self.known_history_id
            changes = tuple(thread_change(self.user_id, key, thread_id, at) for key, thread_id in threads)
            self._pages.append(HistoryPage(frozenset(), changes, None))
            self.health.mended(threads=len(changes))

    def _follow(self) -> None:
        assert self._cursor is not None
        self._start = self._overlap.start(self._cursor, self._now)

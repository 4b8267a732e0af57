"""The sync state of one mailbox: which call is due, what its answer means, what a commit may say.

Told what happened (`listed`, `fetched`, `committed`), it answers what comes next (`next_call`, `take`, `plan`).
No I/O, no clock, no Ray: actors/shard.py drives it. Nothing here is lost when the process dies, because the cursor in
Postgres moves only in `plan`, past what is committed in the same transaction or filed as failed there.

The steps of a round are a table (actors/rounds.py); the messages that it owes are actors/backlog.py's, what it listed
actors/listing.py's, which history is read again actors/overlap.py's. A mailbox that is stopped or whose grant is
refused keeps the phase that it will go on in.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import takewhile

from actors.backlog import Backlog
from actors.config import EvidenceConfig, RetryConfig
from actors.decisions import (
    Call,
    Changed,
    Compare,
    Confirm,
    Confirmed,
    Failure,
    Fetch,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
    ReadLabels,
    Watch,
)
from actors.listing import Listing
from actors.overlap import Overlap
from actors.plans import HistoryPage, MailboxPlan, Progress, pages_of
from actors.reconcile import Differences
from actors.rounds import Event, Round, State
from actors.standing import Standing, recorded
from storage.model.records import DELETED, FailedItem, LabelChange, MailboxRecord, MailboxUpdate, Phase, Unreadable
from storage.model.storable import storable

#: Phases in which the mailbox is listed.
_LISTING = (Phase.FULL, Phase.RECONCILE)
#: Label changes that one commit folds for one mailbox, at most (more only if one page has more).
_CHANGES_PER_COMMIT = 20_000
#: Pages of history without anything new, one after another, after which its page tokens are taken for a loop.
_BARREN_PAGES = 200


class Mailbox:
    """The sync state of one mailbox."""

    def __init__(
        self,
        record: MailboxRecord,
        failed: Iterable[FailedItem],
        retry: RetryConfig,
        evidence: EvidenceConfig = EvidenceConfig(),  # noqa: B008 - a frozen value
    ) -> None:
        self.user_id, self.email = record.user_id, record.email
        self._evidence = evidence
        self.standing = Standing(record, evidence)
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

    # ---- asked

    def request(self, mode: Mode, now: float) -> None:
        """Begin a round. One under way is finished first."""
        self._now = now
        if self.standing.is_refused:
            return
        self.standing.resume()
        if self._mode is None:
            self._begin(mode, now)
        elif mode is not Mode.INCREMENTAL and self._mode is not mode and self._mode is not Mode.RECONCILE:
            self._again = mode
        elif self.standing.phase is Phase.CURRENT:  # its history may be read already
            self._again = self._again or Mode.INCREMENTAL

    def stop(self) -> None:
        """Ask for nothing more, after a restart neither; what is fetched already will land. `request` resumes."""
        self.standing.stop()
        if not self._round.idle:
            self._round.step(Event.STOPPED)
        self._mode = self._again = self._call = None
        self._watch_due = self._labels_due = False
        self._page_token, self._listing = None, Listing()
        self._backlog.stop()
        self._pages.clear()
        self._overlap.dropped()

    # ---- what comes next

    @property
    def active(self) -> bool:
        """A round is under way or its end is not committed yet."""
        waits = self._again is not None or self._watch_due or self._labels_due
        return self._mode is not None or bool(self._backlog.owed) or waits

    @property
    def phase(self) -> Phase:
        """Where the mailbox stands, as the next commit will say."""
        return self.standing.shown

    @property
    def pollable(self) -> bool:
        """Complete once, neither stopped nor refused: it is kept current without being asked."""
        return self.standing.shown is Phase.CURRENT

    @property
    def idle(self) -> bool:
        """No round is under way."""
        return self._mode is None

    @property
    def found_news(self) -> bool:
        """Whether the present round, or the last one, found anything."""
        return self._news

    @property
    def error(self) -> str | None:
        """What is wrong with the mailbox as a whole."""
        return self.standing.error

    @property
    def grant(self) -> int:
        """How often the grant was renewed here."""
        return self.standing.grant

    @property
    def estimate(self) -> int:
        """Messages in the mailbox, as Gmail said."""
        return self._estimate

    @property
    def filed(self) -> int:
        """Messages that failed and wait for a later try."""
        return self._backlog.filed

    def next_call(self, ahead: int) -> Call | None:
        """The call that is due, but for fetches; None while one is out or enough ids are listed (`ahead`)."""
        if self._call is not None:
            return None
        state, user_id = self._round.state, self.user_id
        if self._backlog.todo >= ahead:
            return self._aside()
        if state is State.PINNING:
            return Pin(user_id)
        if state is State.LISTING:
            return ListPage(user_id, self._page_token, self._listing.label_id)
        if state is State.CONFIRMING:
            return Confirm(user_id, self._listing.label_id, self._listing.since)
        # A message that was fetched before the pin and lands after the comparison would escape it: nothing may be owed.
        if state is State.COMPARING and not self._backlog.owed:
            assert self._pinned is not None
            return Compare(user_id, self._pinned, self._listing.result())
        if state is State.FOLLOWING:
            return ReadHistory(user_id, self._start, self._page_token)
        return self._aside()

    def called(self, call: Call) -> None:
        """The call goes out."""
        self._call = call

    def answered(self, call: Call) -> bool:
        """The call is over; False when its answer is of no use, because the round that asked was stopped."""
        if call is not self._call:
            return False
        self._call = None
        return True

    def fetchable(self, now: float) -> int:
        """How many messages could be asked for now."""
        self._backlog.wake(now)
        return self._backlog.todo

    def take(self, count: int) -> Fetch:
        """The next messages to fetch, at most `count` of `fetchable`; they are out until told otherwise."""
        return Fetch(self.user_id, self._backlog.take(count), self.standing.grant)

    def wake_at(self) -> float | None:
        """When a message that waits may be asked for again."""
        return self._backlog.wake_at()

    # ---- told: listings

    def pinned(self, history_id: int, estimate: int, label_ids: Collection[str] = ()) -> None:
        """The history id before the listing. The cursor, if there is one, lies before it: nothing between is passed."""
        self.standing.heard()
        reconciles = self.standing.phase is Phase.RECONCILE
        self._listing.begin(history_id, estimate, label_ids if reconciles else ())
        older = self._cursor if self._cursor is not None else None if reconciles else self._pinned
        self._pinned = history_id if older is None else min(history_id, older)
        self._estimate = estimate
        self._step(Event.PINNED)

    def listed(
        self,
        unknown: Collection[int],
        next_page_token: str | None,
        listed: Collection[int] = (),
        unreadable: Sequence[str] = (),
    ) -> None:
        """A page of the listing; `unknown` are those of its ids that are not stored."""
        self.standing.heard()
        added = self._backlog.owe(unknown)
        self.progress.listed += added
        if self._mode is Mode.RECONCILE:
            self.standing.mended(missing=added)
        self._note(unreadable, "messages.list")
        self._listing.add(listed, len(unreadable))
        if next_page_token is None:
            self._step(Event.LAST_PAGE)
        elif next_page_token in self._tokens or self._listing.is_endless:
            self._list_again("Gmail's listing repeats a page token or never ends: it is read again")
        else:
            self._page_token = next_page_token
            self._tokens.add(next_page_token)
            self._round.step(Event.PAGE)

    def confirmed(self, answer: Confirmed) -> None:
        """What a second source says of the listing: when it disagrees, nothing is concluded and it is listed again."""
        self.standing.heard()
        listing, label_id = self._listing, self._listing.label_id
        if not listing.agrees(answer.total, answer.added, answer.deleted):
            count = listing.count(answer.added, answer.deleted)
            self.stuck += 1
            if label_id is None:
                self.standing.doubt = f"listing disagrees: {answer.total} by the profile, {count} listed"
                self._step(Event.IDS_DISAGREE)
                return
            self.standing.doubt = f"listing of {label_id} disagrees: {answer.total} by the label, {count} listed"
            if listing.label_again():
                self._step(Event.LABEL_DISAGREES)
                return
        else:
            self._got_ahead()
        if self.standing.phase is not Phase.RECONCILE:
            self._step(Event.IDS_AGREE)
        elif listing.next_label():
            self._step(Event.LABEL_FOLLOWS)
        else:
            self._step(Event.ALL_AGREE)

    def compared(self, found: Differences, now: float) -> None:
        """Where what is stored differs from what was listed. Absence is no deletion: each absent one is asked for."""
        self.standing.heard()
        evidence = self._evidence
        self.standing.mended(labels=len(found.changes))
        self._pages.extend(pages_of(found.changes, _CHANGES_PER_COMMIT))
        absent = len(found.absent)
        if absent > evidence.suspect_least and absent > evidence.suspect_share * found.alive:
            error = f"suspect: a listing lacks {absent} of {found.alive} messages at once; looked at again later"
            self._backlog.suspect(found.absent, error, now)
        else:
            self._backlog.check(found.absent)
        self._backlog.check(found.returned, returned=True)
        self._step(Event.COMPARED)

    def page_refused(self, error: str) -> None:
        """Gmail takes the page token no longer: the same listing or history begins again, where its first page is."""
        if self._round.state is State.LISTING:
            self._list_again(error)
        elif self._round.state is State.FOLLOWING:
            self._follow_again(error)

    # ---- told: history, labels, pushes

    def changed(self, page: Changed, now: float = 0.0) -> None:
        """A page of history. Its changes become visible once the messages that it names have landed."""
        self.standing.heard()
        self._now = max(now, self._now)
        fresh = self._overlap.fresh(page.changes)
        gone = {change.message_id for change in page.changes if change.label_id == DELETED and change.on}
        self._backlog.deleted(gone)
        added = self._backlog.owe(page.unknown)
        self._backlog.check([key for key in page.returned if key not in gone], returned=True)
        self.progress.listed += added
        new = bool(added or fresh)
        self._news = self._news or new
        self._note(page.unreadable, "history.list")
        if self._labels and any(change.label_id not in self._labels for change in fresh if change.label_id != DELETED):
            self._labels_due = True
        # A change of a message that was fetched before it, and has not landed, would be lost on it.
        named = {*page.unknown, *(change.message_id for change in fresh)}
        self._pages.append(HistoryPage(frozenset(named & set(self._backlog.owed)), fresh, page.upto))
        token = page.next_page_token
        self._barren = 0 if new else self._barren + 1
        if token is None:
            self._got_ahead()
            if page.upto is not None:
                self._overlap.reached(page.upto, self._now)
            self._step(Event.LAST_PAGE)
        elif token in self._tokens or self._barren > _BARREN_PAGES:
            self._follow_again("Gmail's history repeats a page token or never ends: it is read again")
        else:
            self._page_token = token
            self._tokens.add(token)
            self._round.step(Event.PAGE)

    def history_expired(self) -> None:
        """Gmail forgot what lies behind the cursor: there is none until ids and labels are listed again."""
        if self._cursor is not None and self._start < self._cursor:  # only what would have been read again
            self._overlap.reset(self._cursor)
            self._follow()
            self._step(Event.HISTORY_BROKE)
            return
        self._cursor = self._pinned = None
        self._overlap.reset(None)
        self._pages.clear()
        self._mode, self._listing, self._news = Mode.RECONCILE, Listing(), True
        self.standing.phase = Phase.RECONCILE
        self._step(Event.HISTORY_EXPIRED)

    def labels_read(self, label_ids: Iterable[str], now: float) -> None:
        """How labels are defined is stored."""
        self._labels, self._labels_at, self._labels_due = frozenset(label_ids), now, False

    def labels_failed(self) -> None:
        """They could not be read: the next round tries again."""
        self._labels_due = False

    def watch(self) -> None:
        """Gmail's pushes of this mailbox are to be renewed."""
        self._watch_due = self.standing.halt is None

    def watched(self) -> None:
        """They are renewed."""
        self._watch_due = False

    # ---- told: messages

    def fetched(
        self, landed: Collection[int], gone: Collection[int], size_bytes: int, now: float = 0.0
    ) -> tuple[int, ...]:
        """These arrived; those Gmail has no longer, it says.

        Returns:
            Those that arrived and are to be stored; the others are, and live.
        """
        self.standing.heard()
        if landed:
            self.stuck = 0
        stored = self._backlog.landed(landed)
        self._backlog.gone(gone, max(now, self._now), self._mode is not None)
        self.progress.fetched += len(landed)
        self.progress.fetched_bytes += size_bytes
        return stored

    def failed(self, failure: Failure, now: float) -> None:
        """A message did not arrive: it waits, or is filed when it failed too often or can never succeed."""
        self.progress.throttled += not failure.charged
        self._backlog.failed(failure, now, self._mode is not None)

    def returned(self, message_ids: Iterable[int], not_before: float) -> None:
        """The fetch was never carried out, or what it brought was lost: ask again, without counting it."""
        self._backlog.returned(message_ids, not_before, self._mode is not None)

    # ---- told: what is wrong

    def call_failed(self, error: str) -> None:
        """A call gave nothing; it is due again."""
        self.standing.failed(error)

    def revoked(self, error: str, now: float = 0.0) -> None:
        """Google refuses this mailbox's grant: it is asked again after a while, longer each time, or when renewed."""
        self.stop()
        self.standing.refused(error, now)

    def renewed(self) -> None:
        """The grant is good again, or is to be tried again."""
        self.standing.renewed()

    def quarantine(self, error: str) -> None:
        """A defect of ours shows with this mailbox: leave it alone until somebody asks for it."""
        self.stop()
        self._backlog.drop()
        self._unreadable.clear()
        self.standing.quarantined(storable(error))

    def unstorable(self, message_id: int, error: str, now: float) -> None:
        """A message arrived, and no store takes it: it is filed with the reason."""
        self._backlog.unstorable(message_id, error, now)

    def spent(self, units: int) -> None:
        """Quota units that calls for this mailbox cost."""
        self._units += units

    # ---- committed

    def plan(self, landed: Collection[int]) -> MailboxPlan:
        """What a commit that stores `landed` may say of this mailbox. Changes nothing."""
        backlog, standing, state = self._backlog.plan(landed), self.standing, self._round.state
        cursor, pinned, phase = self._cursor, self._pinned, standing.phase
        pages = tuple(self._ready_pages(backlog.owed))
        if cursor is not None:  # after a stop, pages are read again that an earlier commit had
            cursor = max([cursor, *(page.upto for page in pages if page.upto is not None)])
        quiet = not backlog.owed and len(pages) == len(self._pages)
        ends_listing = quiet and state is State.LISTED and pinned is not None
        ends_round = quiet and state is State.FOLLOWED and not self._labels_due
        synced = ends_round and self._again is None  # what was asked for meanwhile may need another round
        reconciled = ends_listing and phase is Phase.RECONCILE
        if ends_listing:
            cursor, pinned, phase = pinned, None, Phase.CURRENT
        begin = self._overlap.begin
        at = cursor if cursor is not None else pinned or 0
        checked = tuple(
            LabelChange(self.user_id, key, DELETED, deleted, at, mends=True)
            for key, deleted in backlog.verdicts.items()
        )
        return MailboxPlan(
            update=MailboxUpdate(
                user_id=self.user_id,
                phase=standing.halt or phase,
                cursor=cursor,
                pinned=pinned,
                estimate=self._estimate,
                units=self._units,
                error=standing.error,
                synced=synced,
                listed=ends_listing,
                quiet=synced and not self._news,
                resume=phase if standing.halt else None,
                reading_from=None if cursor is None or begin is None else min(begin, cursor),
                reconciled=reconciled,
                mended=standing.tally(backlog.buried, backlog.revived),
            ),
            changes=(*(change for page in pages for change in page.changes), *checked),
            backlog=backlog,
            unreadable=tuple(self._unreadable.values()),
            pages=pages,
            ends_listing=ends_listing,
            ends_round=ends_round,
            round=self._rounds,
        )

    def says_news(self, plan: MailboxPlan) -> bool:
        """Whether the plan is worth a transaction of its own (units alone are not)."""
        update = plan.update
        news = plan.changes or plan.failed or plan.settled or plan.unreadable or plan.ends_listing or plan.ends_round
        return recorded(update) != self._recorded or bool(news)

    def committed(self, plan: MailboxPlan) -> None:
        """The plan is in Postgres."""
        update = plan.update
        self._recorded = recorded(update)
        self._backlog.committed(plan.backlog)
        self.standing.told(update.mended)
        for item in plan.unreadable:
            self._unreadable.pop(item.item, None)
        while self._pages and self._pages[0] in plan.pages:
            self._pages.popleft()
        if self._cursor is not None or plan.ends_listing:
            self._cursor = update.cursor
        if plan.round != self._rounds:
            return
        if plan.ends_listing and self.standing.phase in _LISTING:
            self.standing.phase, self._pinned = Phase.CURRENT, None
            if self._overlap.begin is None:
                self._overlap.reset(self._cursor)
            if self._round.state is State.LISTED:  # else it was told to stop
                self._follow()
                self._step(Event.LISTING_STORED)
        elif plan.ends_round and self._round.state is State.FOLLOWED:
            self._step(Event.ROUND_STORED)
            self._mode = None

    def begin_again(self, now: float) -> bool:
        """Begin the round that was asked for while another was under way; False when there is none."""
        if self._mode is not None or self._again is None:
            return False
        mode, self._again = self._again, None
        self._begin(mode, now)
        return True

    def retry_filed(self, now: float) -> None:
        """Try every filed message again now."""
        self._backlog.refile(now)
        if self._mode is not None:
            self._backlog.owe_due(now)

    def due_at(self) -> float | None:
        """When a filed message, or a refused grant, should be tried again (seconds since 1970)."""
        return self.standing.ask_again_at if self.standing.is_refused else self._backlog.due_at()

    def is_due(self, now: float) -> bool:
        """Whether a round should begin for filed messages, or to try the grant; one under way and a stop come first."""
        due_at = self.due_at()
        free = self.standing.halt is None or self.standing.is_refused
        return due_at is not None and due_at <= now and self._mode is None and free

    # ---- helpers

    def _begin(self, mode: Mode, now: float) -> None:
        phase = self.standing.phase
        if phase is Phase.RECONCILE:  # a listing that was cut short goes on
            mode = Mode.RECONCILE
        elif self._cursor is None or phase in _LISTING:
            mode = Mode.FULL
        self._mode, self._now = mode, now
        self._rounds += 1
        self.standing.begin()
        self._news = mode is not Mode.INCREMENTAL
        self._backlog.owe_due(now)
        self._labels_due = self._labels_due or self._labels_at <= now - self._evidence.labels_every_s
        if mode is Mode.INCREMENTAL:
            self._follow()
            self._step(Event.CHANGES_ASKED)
        else:
            self.standing.phase = Phase.RECONCILE if mode is Mode.RECONCILE else Phase.FULL
            if self._cursor is not None:
                self._pinned = None
            self._listing = Listing()
            self._step(Event.FULL_ASKED)

    def _step(self, event: Event) -> None:
        """Take a step to other pages than those that are being read."""
        self._round.step(event)
        self._page_token, self._barren = None, 0
        self._tokens.clear()

    def _aside(self) -> Call | None:
        """A call that no round waits for."""
        if self.standing.halt is None and self._labels_due and self._mode is not None:
            return ReadLabels(self.user_id)
        return Watch(self.user_id) if self._watch_due else None

    def _got_ahead(self) -> None:
        self.stuck, self.standing.doubt = 0, None

    def _list_again(self, error: str) -> None:
        self.stuck += 1
        self.standing.doubt = error
        if self._listing.label_id is not None and not self._listing.label_again():
            self._step(Event.LAST_PAGE)
            self._step(Event.LABEL_FOLLOWS if self._listing.next_label() else Event.ALL_AGREE)
            return
        self._step(Event.LISTING_BROKE)
        if self._listing.label_id is not None:  # the ids are listed already
            self._round.step(Event.PINNED)

    def _follow(self) -> None:
        assert self._cursor is not None
        self._start = self._overlap.start(self._cursor, self._now)

    def _follow_again(self, error: str) -> None:
        self.stuck += 1
        self.standing.doubt = error
        self._step(Event.HISTORY_BROKE)

    def _note(self, unreadable: Iterable[str], where: str) -> None:
        """Keep what could not be read; what history says of it is found by a comparison, once."""
        for item in unreadable:
            if item not in self._noted:
                self._noted.add(item)
                self._unreadable[item] = Unreadable(self.user_id, item, where)
                if where == "history.list":
                    self._again = Mode.RECONCILE

    def _ready_pages(self, owed: Collection[int]) -> Iterator[HistoryPage]:
        """The oldest pages whose messages are all stored, as many as one commit should fold."""
        changes = 0
        for page in takewhile(lambda page: page.outstanding.isdisjoint(owed), self._pages):
            changes += len(page.changes)
            if changes > _CHANGES_PER_COMMIT and changes > len(page.changes):
                return
            yield page

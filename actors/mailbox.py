"""What one mailbox still owes the backup.

Told what happened (`listed`, `fetched`, `committed`), it answers what comes next (`next_call`, `take`, `plan`).
No I/O, no clock, no Ray: actors/shard.py drives it. Nothing here is lost when the process dies, because the cursor in
Postgres moves only in `plan`, past what is committed in the same transaction or filed as failed there.

    NEW -> pin -> FULL: list, fetch -> CURRENT: follow history from the pinned id -> CURRENT, quiet
    CURRENT, history expired -> RECONCILE: pin, list ids and each label's ids, fetch, compare -> CURRENT

A mailbox that is stopped or whose grant is revoked keeps the phase that it will go on in.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from itertools import takewhile

from actors.config import RetryConfig
from actors.decisions import Call, Changed, Compare, Failure, Fetch, ListPage, Mode, Pin, ReadHistory, Watch
from actors.plans import HistoryPage, MailboxPlan, Progress, pages_of
from actors.reconcile import Relisting
from storage.model.records import FailedItem, LabelChange, MailboxRecord, MailboxUpdate, Phase

#: Phases in which the mailbox is listed.
_LISTING = (Phase.FULL, Phase.RECONCILE)
#: Label changes that one commit folds for one mailbox, at most (more only if one page has more).
_CHANGES_PER_COMMIT = 20_000


class Mailbox:
    """The sync state of one mailbox."""

    def __init__(self, record: MailboxRecord, failed: Iterable[FailedItem], retry: RetryConfig) -> None:
        self.user_id, self.email = record.user_id, record.email
        self._retry_config = retry
        self._halt = record.phase if record.phase in (Phase.STOPPED, Phase.REVOKED) else None
        self._phase, self._cursor, self._pinned = _going(record), record.cursor, record.pinned
        self._estimate, self._error = record.estimate, record.error
        self._recorded = _recorded(record)
        self.grant = 0  # how often it was renewed here: a refusal of an older one says nothing
        self._mode: Mode | None = None  # of the round under way
        self._again: Mode | None = None  # asked for meanwhile
        self._page_token: str | None = None
        self._listing = False  # the listing has more pages
        self._following = False  # the history has more pages
        self._start = 0  # where the history being paged begins: page tokens belong to it
        self._relisting: Relisting | None = None  # of a reconcile, until it is compared
        self._watch_due = False  # Gmail is to push this mailbox's changes for another while
        self._news = False  # the round found something
        self._call: Call | None = None  # the call that is out, unless it is a fetch: one at a time
        self._round = 0  # counts what `_begin` began: a commit ends only the round that it was planned in
        self._todo: deque[int] = deque()
        self._waiting: list[tuple[float, int]] = []  # heap of (not before, id)
        self._out: set[int] = set()
        self._held: set[int] = set()
        self._owed: set[int] = set()  # todo, waiting, out and held together
        self._attempts: dict[int, int] = {}
        self._filed = {item.message_id: item for item in failed}  # durable
        self._to_file: dict[int, FailedItem] = {}  # to become durable with the next commit
        self._settled: set[int] = set()  # gone at Gmail, or stored: their durable rows go
        self._pages: deque[HistoryPage] = deque()
        self._units = record.units  # ever spent
        self._finishing = False  # the round's end is still to be committed
        self.progress = Progress()

    # ---- asked

    def request(self, mode: Mode, now: float) -> None:
        """Begin a round: everything (`FULL`), or what changed since the cursor. A round under way is finished first."""
        if self._halt is Phase.REVOKED:
            return
        self._halt = None
        if self._mode is None:
            self._begin(mode, now)
        elif mode is Mode.FULL and self._mode is Mode.INCREMENTAL:
            self._again = mode
        elif self._phase is Phase.CURRENT:  # its history may be read already
            self._again = self._again or Mode.INCREMENTAL

    def stop(self) -> None:
        """Ask for nothing more, after a restart neither; what is fetched already will land. `request` resumes."""
        self._halt = self._halt or Phase.STOPPED
        self._mode = self._again = self._call = None
        self._listing = self._following = self._finishing = self._watch_due = False
        self._page_token = self._relisting = None
        self._owed -= {*self._todo, *(message_id for _, message_id in self._waiting)}
        self._todo.clear()
        self._waiting.clear()
        self._pages.clear()

    # ---- what comes next

    @property
    def active(self) -> bool:
        """A round is under way or its end is not committed yet."""
        waits = self._finishing or self._again is not None or self._watch_due
        return self._mode is not None or bool(self._owed) or waits

    @property
    def phase(self) -> Phase:
        """Where the mailbox stands, as the next commit will say."""
        return self._halt or self._phase

    @property
    def pollable(self) -> bool:
        """Complete once, neither stopped nor revoked: it is kept current without being asked."""
        return self._halt is None and self._phase is Phase.CURRENT

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
        return self._error

    @property
    def estimate(self) -> int:
        """Messages in the mailbox, as Gmail said."""
        return self._estimate

    def next_call(self, ahead: int) -> Call | None:
        """The call that is due, but for fetches; None while one is out or enough ids are listed (`ahead`)."""
        if self._call is not None:
            return None
        if self._mode is None or len(self._todo) >= ahead:
            return self._watch()
        if self._phase not in _LISTING:
            history = ReadHistory(self.user_id, self._start, self._page_token)
            return history if self._following else self._watch()
        if self._pinned is None:
            return Pin(self.user_id)
        relisting = self._relisting
        if self._listing:
            return ListPage(self.user_id, self._page_token, relisting.label_id if relisting else None)
        # A message that was fetched before the pin and lands after the comparison would escape it: nothing may be owed.
        if relisting is not None and not self._owed:
            return Compare(self.user_id, self._pinned, relisting.result())
        return None

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
        self._wake(now)
        return len(self._todo)

    def take(self, count: int) -> Fetch:
        """The next messages to fetch, at most `count` of `fetchable`; they are out until told otherwise."""
        ids = tuple(self._todo.popleft() for _ in range(min(count, len(self._todo))))
        self._out.update(ids)
        return Fetch(self.user_id, ids, self.grant)

    def wake_at(self) -> float | None:
        """When a message that waits may be asked for again."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def drained(self) -> bool:
        """Nothing more will be fetched until something that is held is committed or a wait is over."""
        return not (self._todo or self._out or self._call or self._listing or self._following)

    # ---- told

    def pinned(self, history_id: int, estimate: int, label_ids: Iterable[str] = ()) -> None:
        """The history id before the listing. The cursor, if there is one, lies before it: nothing between is passed."""
        self._error = None
        if self._relisting is not None:
            self._relisting.begin(label_ids)
        self._pinned = history_id if self._cursor is None else min(history_id, self._cursor)
        self._estimate = estimate

    def listed(self, unknown: Collection[int], next_page_token: str | None, listed: Collection[int] = ()) -> None:
        """A page of the listing; `unknown` are those of its ids that are not stored. A reconcile keeps all."""
        self._error = None
        self._owe(self._unfiled(unknown))
        self._page_token = next_page_token
        self._listing = next_page_token is not None
        if self._relisting is not None:
            self._relisting.add(listed)
            self._listing = self._listing or self._relisting.next_label()

    def compared(self, changes: tuple[LabelChange, ...]) -> None:
        """What became of labels and messages while the history was forgotten."""
        self._error = self._relisting = None
        self._pages.extend(pages_of(changes, _CHANGES_PER_COMMIT))

    def page_refused(self, error: str) -> None:
        """Gmail takes the page token no longer: the same listing or history begins again, where its first page is."""
        self._page_token, self._error = None, error

    def watch(self) -> None:
        """Gmail's pushes of this mailbox are to be renewed."""
        self._watch_due = self._halt is None

    def watched(self) -> None:
        """They are renewed."""
        self._watch_due = False

    def changed(self, page: Changed) -> None:
        """A page of history. Its changes become visible once the messages that it names have landed."""
        self._error = None
        self._news = self._news or bool(page.unknown or page.changes)
        self._owe(self._unfiled(page.unknown))
        # A change of a message that was fetched before it, and has not landed, would be lost on it.
        named = {*page.unknown, *(change.message_id for change in page.changes)}
        self._pages.append(HistoryPage(frozenset(named & self._owed), page.changes, page.upto))
        self._page_token = page.next_page_token
        self._following = page.next_page_token is not None

    def history_expired(self) -> None:
        """Gmail forgot what lies behind the cursor: there is none until ids and labels are listed again."""
        self._cursor = None
        self._pages.clear()
        self._phase = Phase.RECONCILE
        self._start_listing()

    def fetched(self, landed: Collection[int], gone: Collection[int], size_bytes: int) -> None:
        """These are held for a segment; those Gmail has no longer."""
        self._out.difference_update(landed, gone)
        self._held.update(landed)
        if self._halt is not Phase.REVOKED:
            self._error = None
        for message_id in gone:
            self._release(message_id)
        self.progress.fetched += len(landed)
        self.progress.fetched_bytes += size_bytes

    def failed(self, failure: Failure, now: float) -> None:
        """A message did not arrive: it waits, or is filed when it failed too often or can never succeed."""
        message_id = failure.message_id
        self._out.discard(message_id)
        if not failure.charged:
            self.progress.throttled += 1
            self._wait(message_id, now + (failure.retry_after_s or 0.0))
            return
        before = self._filed[message_id].attempts if message_id in self._filed else 0
        attempts = self._attempts.get(message_id, before) + 1
        self._attempts[message_id] = attempts
        retry = self._retry_config
        if failure.retryable and attempts - before < retry.attempts:
            delay = min(retry.first_delay_s * 2 ** (attempts - before - 1), retry.longest_delay_s)
            self._wait(message_id, now + max(delay, failure.retry_after_s or 0.0))
            return
        delay = min(retry.filed_delay_s * 2 ** min(before // retry.attempts, 10), retry.longest_delay_s)
        not_before = datetime.fromtimestamp(now + delay, UTC)
        self._to_file[message_id] = FailedItem(self.user_id, message_id, attempts, failure.error, not_before)
        self._owed.discard(message_id)
        self._attempts.pop(message_id, None)

    def returned(self, message_ids: Iterable[int], not_before: float) -> None:
        """The fetch was never carried out, or what it brought was lost: ask again, without counting it."""
        for message_id in message_ids:
            self._out.discard(message_id)
            self._held.discard(message_id)
            if message_id in self._owed:
                self._wait(message_id, not_before)

    def call_failed(self, error: str) -> None:
        """A call gave nothing; it is due again."""
        if self._halt is not Phase.REVOKED:
            self._error = error

    def revoked(self, error: str) -> None:
        """Google refuses this mailbox's grant: nothing more is asked for until it is renewed."""
        self.stop()
        self._halt, self._error = Phase.REVOKED, error

    def renewed(self) -> None:
        """The grant is good again."""
        if self._halt is Phase.REVOKED:
            self._halt = self._error = None
            self.grant += 1

    def spent(self, units: int) -> None:
        """Quota units that calls for this mailbox cost."""
        self._units += units

    # ---- committed

    def plan(self, landed: Collection[int]) -> MailboxPlan:
        """What a commit that stores `landed` may say of this mailbox. Changes nothing."""
        done = self._held & set(landed)
        owed = self._owed - done
        cursor, pinned, phase = self._cursor, self._pinned, self._phase
        pages = tuple(self._ready_pages(owed))
        if cursor is not None:  # after a stop, pages are read again that an earlier commit had
            cursor = max([cursor, *(page.upto for page in pages if page.upto is not None)])
        quiet = self._finishing and not (owed or self._listing or self._following)
        quiet = quiet and len(pages) == len(self._pages)
        ends_listing = quiet and phase in _LISTING and pinned is not None and self._relisting is None
        synced = quiet and phase is Phase.CURRENT
        if ends_listing:
            cursor, pinned, phase = pinned, None, Phase.CURRENT
        return MailboxPlan(
            update=MailboxUpdate(
                user_id=self.user_id,
                phase=self._halt or phase,
                cursor=cursor,
                pinned=pinned,
                estimate=self._estimate,
                units=self._units,
                error=self._error,
                synced=synced,
                listed=ends_listing,
                quiet=synced and not self._news,
                resume=phase if self._halt else None,
            ),
            changes=tuple(change for page in pages for change in page.changes),
            failed=tuple(self._to_file.values()),
            settled=tuple((self.user_id, message_id) for message_id in self._settled | (done & self._filed.keys())),
            landed=frozenset(done),
            pages=pages,
            ends_listing=ends_listing,
            round=self._round,
        )

    def says_news(self, plan: MailboxPlan) -> bool:
        """Whether the plan is worth a transaction of its own (units alone are not)."""
        update = plan.update
        news = plan.changes or plan.failed or plan.settled or plan.ends_listing or update.synced
        return _recorded(update) != self._recorded or bool(news)

    def committed(self, plan: MailboxPlan) -> None:
        """The plan is in Postgres."""
        update = plan.update
        self._recorded = _recorded(update)
        self._held -= plan.landed
        self._owed -= plan.landed
        for _, message_id in plan.settled:
            self._filed.pop(message_id, None)
            self._settled.discard(message_id)
        for message_id in plan.landed:
            self._attempts.pop(message_id, None)
        for item in plan.failed:
            self._filed[item.message_id] = item
            if self._to_file.get(item.message_id) is item:
                del self._to_file[item.message_id]
        while self._pages and self._pages[0] in plan.pages:
            self._pages.popleft()
        if self._cursor is not None or plan.ends_listing:
            self._cursor = update.cursor
        if plan.round != self._round:
            return
        if plan.ends_listing and self._phase in _LISTING:
            self._phase, self._pinned = Phase.CURRENT, None
            if self._mode is not None:
                self._follow()
        if update.synced:
            self._finishing = False
            self._mode = None

    def begin_again(self, now: float) -> bool:
        """Begin the round that was asked for while another was under way; False when there is none."""
        if self._mode is not None or self._again is None:
            return False
        mode, self._again = self._again, None
        self._begin(mode, now)
        return True

    def due_at(self) -> float | None:
        """When a filed message should be tried again (seconds since 1970)."""
        return min((item.not_before.timestamp() for item in self._filed.values()), default=None)

    def is_due(self, now: float) -> bool:
        """Whether a round should begin for filed messages; one under way, a stop or a revoked grant comes first."""
        due_at = self.due_at()
        return due_at is not None and due_at <= now and self._mode is None and self._halt is None

    # ---- helpers

    def _begin(self, mode: Mode, now: float) -> None:
        if self._cursor is None or self._phase in _LISTING:  # a listing that was cut short goes on
            mode = Mode.FULL
        self._mode = mode
        self._round += 1
        self._error = None
        self._finishing = True
        self._news = mode is Mode.FULL
        due = [key for key, item in self._filed.items() if item.not_before.timestamp() <= now]
        self._owe(due)
        if mode is Mode.FULL:
            if self._phase is not Phase.RECONCILE:
                self._phase = Phase.FULL
            self._start_listing()
        else:
            self._follow()

    def _start_listing(self) -> None:
        # A pin that a first full sync left when it was stopped is older than a new one: following from it sees more.
        # A reconcile compares everything anew, so it needs no older pin, whose history may be forgotten too.
        self._relisting = Relisting() if self._phase is Phase.RECONCILE else None
        if self._cursor is not None or self._relisting is not None:
            self._pinned = None
        self._mode, self._page_token, self._news = Mode.FULL, None, True
        self._listing, self._following = True, False

    def _watch(self) -> Watch | None:
        return Watch(self.user_id) if self._watch_due else None

    def _ready_pages(self, owed: set[int]) -> Iterator[HistoryPage]:
        """The oldest pages whose messages are all stored, as many as one commit should fold."""
        changes = 0
        for page in takewhile(lambda page: page.outstanding.isdisjoint(owed), self._pages):
            changes += len(page.changes)
            if changes > _CHANGES_PER_COMMIT and changes > len(page.changes):
                return
            yield page

    def _follow(self) -> None:
        assert self._cursor is not None
        self._start, self._page_token = self._cursor, None
        self._following = True

    def _unfiled(self, message_ids: Iterable[int]) -> Iterable[int]:
        """Without those that are filed as failed: they have their own time."""
        return (key for key in message_ids if key not in self._filed and key not in self._to_file)

    def _owe(self, message_ids: Iterable[int]) -> None:
        for message_id in message_ids:
            if message_id not in self._owed:
                self._owed.add(message_id)
                self._todo.append(message_id)
                self.progress.listed += 1

    def _wait(self, message_id: int, not_before: float) -> None:
        if self._mode is None:
            self._owed.discard(message_id)  # told to stop: the next round lists it again
        else:
            heapq.heappush(self._waiting, (not_before, message_id))

    def _wake(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            self._todo.append(heapq.heappop(self._waiting)[1])

    def _release(self, message_id: int) -> None:
        self._owed.discard(message_id)
        self._attempts.pop(message_id, None)
        if message_id in self._filed:
            self._settled.add(message_id)


def _going(record: MailboxRecord) -> Phase:
    """The phase in which a mailbox goes on, whatever halts it."""
    if record.phase is Phase.STOPPED:
        return record.resume or Phase.FULL
    if record.phase is Phase.REVOKED:
        return record.resume or (Phase.NEW if record.cursor is None else Phase.CURRENT)
    return record.phase


def _recorded(row: MailboxRecord | MailboxUpdate) -> tuple[object, ...]:
    """What a commit is worth for when it differs."""
    return row.phase, row.resume, row.cursor, row.pinned, row.estimate, row.error

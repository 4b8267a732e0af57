"""The sync state of one mailbox: the next call, the effect of its response, the content of a commit.

Takes events (`listed`, `fetched`, `committed`) and returns the next action (`next_call`, `take`, `plan`).
No I/O, no clock, no Ray: actors/shard.py drives it. Nothing here is lost when the process dies, because the cursor in
Postgres moves only in `plan`, past what is committed in the same transaction or filed as failed there.

The steps of a round are a table (actors/rounds.py). Messages to fetch or retry are in actors/retry_backlog.py, listed
ids in actors/listing.py, the history that is read again in actors/overlap.py. A mailbox that is stopped, or whose grant
is refused, keeps the phase in which it will continue.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile
from typing import Any

from actors.decisions import (
    Call,
    Compare,
    Confirm,
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
from actors.mailbox_health import recorded
from actors.mailbox_history import MailboxHistory
from actors.mailbox_listing import CHANGES_PER_COMMIT
from actors.mailbox_state import COMPARE_AGAIN_S
from actors.plans import HistoryPage, MailboxPlan
from actors.rounds import Event, State
from storage.model.records import DELETED, LabelChange, MailboxUpdate, Phase
from storage.model.storable import storable

#: Phases in which the mailbox is listed.
_LISTING = (Phase.FULL, Phase.RECONCILE)


class Mailbox(MailboxHistory):
    """The sync state of one mailbox."""

    def request(self, mode: Mode, now: float) -> None:
        """Begin a round, after the current one."""
        self._now = now
        if self.health.is_refused:
            return
        self.health.resume()
        if self._mode is None:
            self._begin(mode, now)
        elif mode is not Mode.INCREMENTAL and self._mode is not mode and self._mode is not Mode.RECONCILE:
            self._again = mode
        elif self.health.phase is Phase.CURRENT:  # its history may already have been read
            self._again = self._again or Mode.INCREMENTAL

    def next_call(self, ahead: int) -> Call | None:
        """The next call other than a fetch; None while a call is in flight or enough ids are listed (`ahead`)."""
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
            return Confirm(user_id, self._listing.label_id, self._listing.confirmed_since)
        # The backlog must be empty: the comparison would miss a message fetched before the pin that lands after it.
        if state is State.COMPARING and not self._backlog.owed:
            assert self._pinned is not None
            return Compare(user_id, self._pinned, self._listing.result())
        if state is State.FOLLOWING:
            return ReadHistory(user_id, self._start, self._page_token)
        return self._aside()

    def called(self, call: Call) -> None:
        """Record that the call was made."""
        self._call = call

    def answered(self, call: Call) -> bool:
        """Record the end of a call; False if its response is obsolete, because its round was stopped."""
        if call is not self._call:
            return False
        self._call = None
        return True

    def fetchable(self, now: float) -> int:
        """Number of messages that could be fetched now."""
        self._backlog.wake(now)
        return self._backlog.todo

    def take(self, count: int) -> Fetch:
        """The next messages to fetch, at most `count` of `fetchable`; in flight until their outcome is reported."""
        return Fetch(self.user_id, self._backlog.take(count), self.health.grant)

    def wake_at(self) -> float | None:
        """When a waiting message may be fetched again."""
        return self._backlog.wake_at()

    def labels_read(self, label_ids: Iterable[str], now: float) -> None:
        """Record that the definitions of the labels are stored."""
        self._labels, self._labels_at, self._labels_due = frozenset(label_ids), now, False

    def labels_failed(self) -> None:
        """Record that labels could not be read; the next round retries."""
        self._labels_due = False

    def watch(self) -> None:
        """Renew Gmail's notifications for this mailbox."""
        self._watch_due = self.health.halt is None

    def watched(self) -> None:
        """Record that notifications are renewed."""
        self._watch_due = False

    def fetched(
        self, landed: Collection[int], gone: Collection[int], size_bytes: int, now: float = 0.0
    ) -> tuple[int, ...]:
        """Record arrived messages, and messages that Gmail reports as gone.

        Returns:
            The arrived messages to store; the others are stored already and not deleted.
        """
        self.health.heard()
        if landed:
            self.stuck = 0
        stored = self._backlog.landed(landed)
        self._backlog.gone(gone, max(now, self._now), self._mode is not None)
        self.progress.fetched += len(landed)
        self.progress.fetched_bytes += size_bytes
        return stored

    def failed(self, failure: Failure, now: float) -> None:
        """Record a failed fetch: the message is retried, or filed if it failed too often or can never succeed."""
        self.progress.throttled += not failure.charged
        self._backlog.failed(failure, now, self._mode is not None)

    def returned(self, message_ids: Iterable[int], not_before: float) -> None:
        """Fetch the message again without counting an attempt: the fetch did not run, or its result was lost."""
        self._backlog.returned(message_ids, not_before, self._mode is not None)

    def call_failed(self, error: str) -> None:
        """Record a failed call, which is due again."""
        self.health.failed(error)

    def revoked(self, error: str, now: float = 0.0) -> None:
        """Record that Google refuses the grant: retry after a growing delay, or when the grant is renewed."""
        self.stop()
        self.health.refused(error, now)

    def renewed(self) -> None:
        """Try the grant again: it was renewed, or a retry is due."""
        self.health.renewed()

    def quarantine(self, error: str) -> None:
        """Stop work on this mailbox, which triggers a defect of this program, until a sync is requested."""
        self.stop()
        self._backlog.drop()
        self._unreadable.clear()
        self.health.quarantined(storable(error))

    def unstorable(self, message_id: int, error: str, now: float) -> None:
        """File a message that arrived and cannot be stored, with the reason."""
        self._backlog.unstorable(message_id, error, now)

    def status(self) -> dict[str, Any]:
        """What `ShardOwner.status` shows of the mailbox."""
        return {
            "phase": self.phase.value,
            "active": self.active,
            "estimate": self.estimate,
            "error": self.error,
            "listed": self.progress.listed,
            "fetched": self.progress.fetched,
            "fetched_bytes": self.progress.fetched_bytes,
            "throttled": self.progress.throttled,
            "failed": self.filed,
        }

    def spent(self, units: int) -> None:
        """Add quota units that calls for this mailbox cost."""
        self._units += units

    def plan(self, landed: Collection[int]) -> MailboxPlan:
        """This mailbox's part of a commit that stores `landed`. Does not change the state."""
        backlog, health, state = self._backlog.plan(landed), self.health, self._round.state
        cursor, pinned, phase = self._cursor, self._pinned, health.phase
        pages = tuple(self._ready_pages(backlog.owed))
        if cursor is not None:  # after a stop, pages of an earlier commit are read again
            cursor = max([cursor, *(page.upto for page in pages if page.upto is not None)])
        quiet = not backlog.owed and len(pages) == len(self._pages)
        ends_listing = quiet and state is State.LISTED and pinned is not None
        ends_round = quiet and state is State.FOLLOWED and not self._labels_due
        synced = ends_round and self._again is None  # a request that came meanwhile may require another round
        reconciled = ends_listing and phase is Phase.RECONCILE
        if ends_listing:
            cursor, pinned, phase = pinned, None, Phase.CURRENT
        begin = self._overlap.begin
        at = cursor if cursor is not None else pinned or 0
        checked = tuple(
            LabelChange(self.user_id, key, DELETED, deleted, at, mends=True)
            for key, deleted in backlog.deletions.items()
        )
        return MailboxPlan(
            update=MailboxUpdate(
                user_id=self.user_id,
                phase=health.halt or phase,
                cursor=cursor,
                pinned=pinned,
                estimate=self._estimate,
                units=self._units,
                error=health.error,
                synced=synced,
                listed=ends_listing,
                quiet=synced and not self._found_changes,
                resume=phase if health.halt else None,
                reading_from=None if cursor is None or begin is None else min(begin, cursor),
                reconciled=reconciled,
                mended=health.tally(backlog.buried, backlog.revived),
            ),
            changes=(*(change for page in pages for change in page.changes), *checked),
            backlog=backlog,
            unreadable=tuple(self._unreadable.values()),
            pages=pages,
            ends_listing=ends_listing,
            ends_round=ends_round,
            round=self._rounds,
        )

    def has_changes(self, plan: MailboxPlan) -> bool:
        """Whether the plan is worth a transaction of its own (units alone are not)."""
        update = plan.update
        changes = plan.changes or plan.failed or plan.settled or plan.unreadable or plan.ends_listing or plan.ends_round
        return recorded(update) != self._recorded or bool(changes)

    def committed(self, plan: MailboxPlan) -> None:
        """Record that the plan is committed."""
        update = plan.update
        self._recorded = recorded(update)
        self._backlog.committed(plan.backlog)
        self.health.committed(update.mended)
        for item in plan.unreadable:
            self._unreadable.pop(item.item, None)
        while self._pages and self._pages[0] in plan.pages:
            self._pages.popleft()
        if self._cursor is not None or plan.ends_listing:
            self._cursor = update.cursor
        if plan.round != self._rounds:
            return
        if plan.ends_listing and self.health.phase in _LISTING:
            self.health.phase, self._pinned = Phase.CURRENT, None
            if self._overlap.begin is None:
                self._overlap.reset(self._cursor)
            if self._round.state is State.LISTED:  # otherwise it was stopped
                self._follow()
                self._step(Event.LISTING_STORED)
        elif plan.ends_round and self._round.state is State.FOLLOWED:
            self._step(Event.ROUND_STORED)
            self._mode, self.expiries = None, 0

    def begin_again(self, now: float) -> bool:
        """Begin the round that was requested during the last one; False if none was."""
        if self._mode is not None or self._again is None:
            return False
        mode, self._again = self._again, None
        self._begin(mode, now)
        return True

    def retry_filed(self, now: float) -> None:
        """Retry every failed message now."""
        self._backlog.refile(now)
        if self._mode is not None:
            self._backlog.owe_due(now)

    def due_at(self) -> float | None:
        """When a filed message, or a refused grant, should be tried again (seconds since 1970)."""
        return self.health.ask_again_at if self.health.is_refused else self._backlog.due_at()

    def is_due(self, now: float) -> bool:
        """Whether a round should begin to retry filed messages or the grant: not during a round, not after a stop."""
        due_at = self.due_at()
        free = self.health.halt is None or self.health.is_refused
        return due_at is not None and due_at <= now and self._mode is None and free

    def _begin(self, mode: Mode, now: float) -> None:
        phase = self.health.phase
        if phase is Phase.RECONCILE:  # an interrupted listing continues
            mode = Mode.RECONCILE
        elif self._cursor is None or phase in _LISTING:
            mode = Mode.FULL
        elif self._compare_due and now >= self._compare_from:
            mode = Mode.RECONCILE
        if mode is Mode.RECONCILE and self._compare_due:  # the new listing begins after the unreadable part
            self._compare_due, self._compare_from = False, now + COMPARE_AGAIN_S
        self._mode, self._now = mode, now
        self._rounds += 1
        self.health.begin()
        self._found_changes = mode is not Mode.INCREMENTAL
        self._backlog.owe_due(now)
        self._labels_due = self._labels_due or self._labels_at <= now - self._evidence.labels_every_s
        if mode is Mode.INCREMENTAL:
            self._follow()
            self._step(Event.CHANGES_ASKED)
        else:
            self.health.phase = Phase.RECONCILE if mode is Mode.RECONCILE else Phase.FULL
            if self._cursor is not None:
                self._pinned = None
            self._listing = Listing()
            self._step(Event.FULL_ASKED)

    def _aside(self) -> Call | None:
        """A call that is not part of a round."""
        if self.health.halt is None and self._labels_due and self._mode is not None:
            return ReadLabels(self.user_id)
        return Watch(self.user_id) if self._watch_due else None

    def _ready_pages(self, owed: Collection[int]) -> Iterator[HistoryPage]:
        """The oldest pages whose messages are all stored, at most as many as one commit should fold."""
        changes = 0
        for page in takewhile(lambda page: page.outstanding.isdisjoint(owed), self._pages):
            changes += len(page.changes)
            if changes > CHANGES_PER_COMMIT and changes > len(page.changes):
                return
            yield page

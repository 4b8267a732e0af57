"""Applies the answers of a listing to a mailbox's state: the pin, the pages, the second source, the comparison."""

from collections.abc import Collection, Sequence

from actors.decisions import (
    Confirmed,
    Mode,
)
from actors.mailbox_state import MailboxState
from actors.plans import pages_of
from actors.reconcile import Differences
from actors.rounds import Event
from storage.model.records import Phase

#: Maximum number of label changes in one commit for one mailbox (more only if one page has more).
CHANGES_PER_COMMIT = 20_000

#: Consecutive incomplete reconciliations that are repeated at once; the next one runs at its scheduled time.
_UNSETTLED = 2


class MailboxListing(MailboxState):
    """Applies the answers of a listing."""

    def pinned(self, history_id: int, estimate: int, label_ids: Collection[str] = ()) -> None:
        """Record the history id before the listing. A cursor stays before it, so that no history is skipped."""
        self.health.heard()
        reconciles = self.health.phase is Phase.RECONCILE
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
        threads: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Apply a page of the listing; `unknown`: its ids that are not stored. threads: see `Listed`."""
        self.health.heard()
        added = self._backlog.owe(unknown, listed=True)
        self.progress.listed += added
        if self._mode is Mode.RECONCILE:
            self.health.mended(missing=added)
        self._note(unreadable, "messages.list")
        self._rethread(threads)
        self._listing.add(listed, len(unreadable))
        if next_page_token is None:
            self._step(Event.LAST_PAGE)
        elif next_page_token in self._tokens or self._listing.is_endless():
            self._list_again("Gmail's listing repeats a page token or never ends: it is read again")
        else:
            self._page_token = next_page_token
            self._tokens.add(next_page_token)
            self._round.step(Event.PAGE)

    def confirmed(self, answer: Confirmed) -> None:
        """Apply a second source's answer; if it contradicts the listing, discard the listing and repeat it."""
        self.health.heard()
        listing, label_id = self._listing, self._listing.label_id
        if answer.history_id is not None and answer.history_id < listing.since:
            self.stuck += 1
            self.health.doubt = (
                f"listing disagrees: it began at the history id {listing.since}, the profile says {answer.history_id}"
            )
            listing.doubted()
            self._step(Event.IDS_DISAGREE)
            return
        if not listing.agrees(answer.total, answer.added, answer.deleted):
            count = listing.count(answer.added, answer.deleted)
            self.stuck += 1
            if label_id is None:
                self.health.doubt = f"listing disagrees: {answer.total} by the profile, {count} listed"
                self._step(Event.IDS_DISAGREE)
                return
            self.health.doubt = (
                f"labels.get does not know the label {label_id}, which labels.list names"
                if answer.total < 0
                else f"listing of {label_id} disagrees: {answer.total} by the label, {count} listed"
            )
            if listing.label_again():
                self._step(Event.LABEL_DISAGREES)
                return
        else:
            self._got_ahead()
        if self.health.phase is not Phase.RECONCILE:
            self._step(Event.IDS_AGREE)
        elif listing.next_label():
            self._step(Event.LABEL_FOLLOWS)
        else:
            self._step(Event.ALL_AGREE)

    def compared(self, found: Differences, now: float) -> None:
        """Apply the differences between archive and listing. Absence is no deletion: request each absent message."""
        self.health.heard()
        evidence = self._evidence
        self.health.mended(labels=len(found.changes))
        # The messages of skipped labels are unknown: compare again, a bounded number of times.
        self._unsettled = self._unsettled + 1 if self._listing.result().skipped else 0
        if 0 < self._unsettled <= _UNSETTLED:
            self._again = Mode.RECONCILE
        self._pages.extend(pages_of(found.changes, CHANGES_PER_COMMIT))
        absent = len(found.absent)
        if absent > evidence.suspect_minimum and absent > evidence.suspect_share * found.alive:
            error = f"suspect: a listing lacks {absent} of {found.alive} messages at once; checked again later"
            self._backlog.suspect(found.absent, error, now)
        else:
            self._backlog.check(found.absent)
        self._backlog.check(found.returned, returned=True)
        self._step(Event.COMPARED)

    def _list_again(self, error: str) -> None:
        self.stuck += 1
        self.health.doubt = error
        if self._listing.label_id is not None and not self._listing.label_again():
            self._step(Event.LAST_PAGE)
            self._step(Event.LABEL_FOLLOWS if self._listing.next_label() else Event.ALL_AGREE)
            return
        self._step(Event.LISTING_BROKE)
        if self._listing.label_id is not None:  # the ids are listed already
            self._round.step(Event.PINNED)

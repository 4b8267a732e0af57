"""Applies pages of Gmail's history to a mailbox's state."""

from actors.decisions import (
    Changed,
    Mode,
)
from actors.listing import Listing
from actors.mailbox_listing import MailboxListing
from actors.plans import HistoryPage
from actors.rounds import Event, State
from storage.model.records import DELETED, Phase

#: Consecutive pages of history without new records after which the page tokens are taken to loop.
_BARREN_PAGES = 200
#: Consecutive failures to read the history after which the mailbox is reconciled instead.
_ATTEMPTS = 8
#: Consecutive answers that refuse the start history id, after which the id is taken to be expired.
_REFUSED_STARTS = 3
#: Consecutive polls whose history ends before the cursor, after which the cursor is taken to be invalid.
_LOOKS_BEHIND = 2


class MailboxHistory(MailboxListing):
    """Applies pages of history."""

    def changed(self, page: Changed, now: float = 0.0) -> None:
        """Apply a page of history. Its changes become visible once the messages that it names are stored."""
        self.health.heard()
        self._now = max(now, self._now)
        late = self._overlap.late(page.changes)
        fresh = self._overlap.fresh(page.changes)
        gone = {change.message_id for change in page.changes if change.label_id == DELETED and change.on}
        self._backlog.deleted(gone)
        added = self._backlog.owe([key for key, at in page.added_at if self._overlap.is_late(at)])
        if late + added:
            self.health.mended(late=late + added)
        added += self._backlog.owe(page.unknown)
        self._backlog.check([key for key in page.returned if key not in gone], returned=True)
        self.progress.listed += added
        new = bool(added or fresh)
        self._found_changes = self._found_changes or new
        self._note(page.unreadable, "history.list")
        if self._labels and any(change.label_id not in self._labels for change in fresh if change.label_id != DELETED):
            self._labels_due = True
        # A change of a message that was fetched earlier and is not stored yet would be lost.
        named = {*page.unknown, *(change.message_id for change in fresh)}
        self._pages.append(HistoryPage(frozenset(named & set(self._backlog.owed)), fresh, page.upto))
        self._rethread(page.threads)
        token = page.next_page_token
        ahead = page.upto is not None and page.upto > self._furthest
        if ahead:
            assert page.upto is not None
            self._furthest = page.upto
        self._barren = 0 if new or ahead else self._barren + 1
        if token is None:
            self._got_ahead()
            self._refused_starts = 0
            if page.upto is not None:
                self._overlap.reached(page.upto, self._now)
                if self._is_behind(page.upto):
                    self._list_instead()
                    return
            self._step(Event.LAST_PAGE)
        elif token in self._tokens or self._barren > _BARREN_PAGES:
            self._follow_again("Gmail's history repeats a page token or never ends: it is read again")
        else:
            self._page_token = token
            self._tokens.add(token)
            self._round.step(Event.PAGE)

    def page_refused(self, error: str) -> None:
        """Begin the same listing or history again at its first page, because Gmail refuses the page token."""
        if self._round.state is State.LISTING:
            self._list_again(error)
        elif self._round.state is State.FOLLOWING:
            self._follow_again(error)

    def start_refused(self, error: str) -> None:
        """Record that Gmail refuses the start history id as invalid; after a few refusals, it counts as expired."""
        self._refused_starts += 1
        self.health.failed(error)
        if self._refused_starts >= _REFUSED_STARTS:
            self._refused_starts = 0
            self.history_expired()

    def history_expired(self) -> None:
        """Discard the cursor, because Gmail no longer has its history; ids and labels are listed again."""
        if self._cursor is not None and self._start < self._cursor:  # only the overlap, which is read again
            self._overlap.reset(self._cursor)
            self._follow()
            self._step(Event.HISTORY_BROKE)
            return
        self._list_instead()

    def _is_behind(self, upto: int) -> bool:
        """Whether Gmail's history repeatedly ends before the cursor: one such answer may come from a stale copy."""
        if self._cursor is None or upto >= self._cursor:
            self._behind = 0
            return False
        self._behind += 1
        self.health.doubt = f"history ends at {upto}, before {self._cursor}, which it named earlier"
        return self._behind >= _LOOKS_BEHIND

    def _list_instead(self) -> None:
        """Discard the cursor until ids and labels are listed and compared."""
        self.expiries += 1
        self._behind = 0
        self._cursor = self._pinned = None
        self._overlap.reset(None)
        self._pages.clear()
        self._mode, self._listing, self._found_changes = Mode.RECONCILE, Listing(), True
        self.health.phase = Phase.RECONCILE
        self._step(Event.HISTORY_EXPIRED)

    def _follow_again(self, error: str) -> None:
        self.stuck += 1
        self.health.doubt = error
        if self.stuck >= _ATTEMPTS:
            self.stuck = 0
            self._list_instead()
            return
        self._step(Event.HISTORY_BROKE)

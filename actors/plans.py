"""A mailbox's part of a commit, and its progress for display. Values; actors/mailbox.py makes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from storage.model.records import FailedItem, LabelChange, MailboxUpdate, Unreadable


@dataclass(frozen=True, slots=True, eq=False)
class HistoryPage:
    """Changes that wait until all messages that they name are stored."""

    outstanding: frozenset[int]
    changes: tuple[LabelChange, ...]
    upto: int | None


def pages_of(changes: Sequence[LabelChange], most: int) -> Iterator[HistoryPage]:
    """Changes that need not wait, in pages of about `most`.

    The fold ignores changes that are not newer than the message, and these have one history id: all changes of
    a message are in one page, so that none makes another look old.
    """
    page: list[LabelChange] = []
    for _, of_message in groupby(changes, key=lambda change: change.message_id):
        if len(page) >= most:
            yield HistoryPage(frozenset(), tuple(page), None)
            page = []
        page += of_message
    if page:
        yield HistoryPage(frozenset(), tuple(page), None)


@dataclass(frozen=True, slots=True)
class BacklogPlan:
    """A commit's changes to the backlog, given that it stores `landed`.

    deletions: message -> whether it is deleted, for messages checked one by one. revived, buried: the numbers of those
    whose state changed.
    """

    landed: frozenset[int]
    owed: frozenset[int]
    failed: tuple[FailedItem, ...]
    settled: frozenset[int]
    deletions: dict[int, bool]
    revived: int = 0
    buried: int = 0


@dataclass(frozen=True, slots=True)
class MailboxPlan:
    """A mailbox's part of a commit. Pass it to `committed` after the commit."""

    update: MailboxUpdate
    changes: tuple[LabelChange, ...]
    backlog: BacklogPlan
    unreadable: tuple[Unreadable, ...]
    pages: tuple[HistoryPage, ...]
    ends_listing: bool
    ends_round: bool
    round: int

    @property
    def failed(self) -> tuple[FailedItem, ...]:
        """Failed messages to record."""
        return self.backlog.failed

    @property
    def settled(self) -> tuple[tuple[int, int], ...]:
        """(user, message) to remove from the failed list."""
        return tuple((self.update.user_id, message_id) for message_id in sorted(self.backlog.settled))


@dataclass(slots=True)
class Progress:
    """For display; counts since this owner opened the mailbox."""

    listed: int = 0
    fetched: int = 0
    fetched_bytes: int = 0
    throttled: int = 0

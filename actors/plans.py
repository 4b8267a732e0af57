"""What a mailbox says of itself, to the next commit and to people who look. Values; actors/mailbox.py makes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from storage.model.records import FailedItem, LabelChange, MailboxUpdate


@dataclass(frozen=True, slots=True, eq=False)
class HistoryPage:
    """Changes that wait until every message which they name has landed."""

    outstanding: frozenset[int]
    changes: tuple[LabelChange, ...]
    upto: int | None


def pages_of(changes: Sequence[LabelChange], most: int) -> Iterator[HistoryPage]:
    """Changes that wait for nothing, in pages of about `most`.

    The fold passes over changes that are not newer than the message, and these are of one history id: all changes of
    a message are in one page, so that none of them makes another one look old.
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
class MailboxPlan:
    """What a commit says of this mailbox. Hand it back to `committed` once it is true."""

    update: MailboxUpdate
    changes: tuple[LabelChange, ...]
    failed: tuple[FailedItem, ...]
    settled: tuple[tuple[int, int], ...]
    landed: frozenset[int]
    pages: tuple[HistoryPage, ...]
    ends_listing: bool
    round: int


@dataclass(slots=True)
class Progress:
    """For people to look at; counts since this owner opened the mailbox."""

    listed: int = 0
    fetched: int = 0
    fetched_bytes: int = 0
    throttled: int = 0

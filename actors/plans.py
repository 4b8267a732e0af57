"""What a mailbox says of itself, to the next commit and to people who look. Values; actors/mailbox.py makes them."""

from dataclasses import dataclass

from storage.records import FailedItem, LabelChange, MailboxUpdate


@dataclass(frozen=True, slots=True, eq=False)
class HistoryPage:
    """Changes that wait until every message which they name has landed."""

    outstanding: frozenset[int]
    changes: tuple[LabelChange, ...]
    upto: int | None


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

"""A mailbox's state under test, and the answers that tests give to its calls."""

from datetime import UTC, datetime

from actors.config import RetryConfig
from actors.decisions import (
    Call,
    Changed,
    Confirm,
    Confirmed,
    Fetch,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
)
from actors.mailbox import Mailbox
from actors.plans import MailboxPlan
from actors.reconcile import Differences
from storage.model.records import FailedItem, LabelChange, MailboxRecord, Phase

RETRY = RetryConfig(attempts=2, first_delay_s=1.0, failed_delay_s=100.0, longest_delay_s=1000.0)
NEW = MailboxRecord(1, "a@example.com")
CURRENT = MailboxRecord(1, "a@example.com", Phase.CURRENT, cursor=100)


def mailbox(record: MailboxRecord = NEW, failed: tuple[FailedItem, ...] = ()) -> Mailbox:
    box = Mailbox(record, failed, RETRY)
    box.labels_read((), 0.0)  # the next hour has no need to ask
    return box


def call(box: Mailbox, ahead: int = 100) -> Call:
    """The call that is due, sent."""
    due = box.next_call(ahead)
    assert due is not None
    box.called(due)
    return due


def listing(box: Mailbox, *ids: int, token: str | None = None) -> None:
    due = call(box)
    assert isinstance(due, ListPage) and box.answered(due)
    box.listed(ids, token, ids)
    if token is None:
        confirmed(box, len(ids))


def confirmed(box: Mailbox, total: int) -> None:
    """A second source names so many."""
    due = call(box)
    assert isinstance(due, Confirm) and box.answered(due)
    box.confirmed(Confirmed(total))


def history(box: Mailbox, page: Changed) -> None:
    due = call(box)
    assert isinstance(due, ReadHistory) and box.answered(due)
    box.changed(page)


def pinned(box: Mailbox, history_id: int) -> None:
    due = call(box)
    assert isinstance(due, Pin) and box.answered(due)
    box.pinned(history_id, 5)


def land(box: Mailbox, *ids: int) -> None:
    """Fetch and hold."""
    assert box.take(len(ids)) == Fetch(1, ids)
    box.fetched(ids, (), 10)


def commit(box: Mailbox, *landed: int) -> MailboxPlan:
    plan = box.plan(landed)
    box.committed(plan)
    return plan


def found(*changes: LabelChange, absent: tuple[int, ...] = (), returned: tuple[int, ...] = ()) -> Differences:
    """What a comparison of a mailbox of 1,000 messages says."""
    return Differences(changes, absent, returned, 1000)


def reconciling(*labels: str) -> Mailbox:
    """A mailbox whose history expired, pinned at 500."""
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    assert box.answered(call(box))
    box.history_expired()
    due = call(box)
    assert isinstance(due, Pin) and box.answered(due)
    box.pinned(500, 5, labels)
    return box


def page(box: Mailbox, label_id: str | None, *ids: int, token: str | None = None, total: int = 0) -> None:
    due = call(box)
    assert isinstance(due, ListPage) and due.label_id == label_id and box.answered(due)
    box.listed((), token, ids)
    if token is None:
        confirmed(box, total or len(ids))


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

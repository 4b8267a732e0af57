"""When a message counts as deleted: the evidence that it takes, and what takes it back."""

from actors.decisions import (
    Changed,
    Compare,
    Mode,
)
from actors.mailbox import Mailbox
from storage.model.records import DELETED, FailedItem, FailedKind, LabelChange, Mended
from tests.unit.actors.mailboxes import (
    CURRENT,
    at,
    call,
    commit,
    found,
    history,
    land,
    listing,
    mailbox,
    page,
    pinned,
    reconciling,
)


def test_a_filed_message_that_is_gone_comes_off_the_list() -> None:
    box = mailbox(CURRENT, (FailedItem(1, 7, 3, "wrong", at(0), since=at(0)),))
    box.request(Mode.INCREMENTAL, 10)
    box.take(1)
    box.fetched((), (7,), 0, 200_000)

    assert commit(box).settled == ((1, 7),)
    assert box.due_at() is None


def test_a_404_of_a_message_that_gmail_named_is_no_proof_until_a_day_has_passed() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7,), (), 110, None))
    now = 0.0
    for _ in range(2):
        now = box.wake_at() or now
        assert box.fetchable(now) == 1
        box.take(1)
        box.fetched((), (7,), 0, now)

    [item] = commit(box).failed

    assert (item.message_id, item.kind, "404" in item.error) == (7, FailedKind.MISSING, True)
    assert box.filed == 1


def test_a_404_of_a_message_that_history_says_is_deleted_needs_no_other() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7,), (), 105, "next"))
    box.take(1)
    history(box, Changed((), (LabelChange(1, 7, DELETED, True, 108),), 110, None))

    box.fetched((), (7,), 0, 1.0)

    assert commit(box).failed == () and box.filed == 0


def reconciled(absent: tuple[int, ...] = (), returned: tuple[int, ...] = ()) -> Mailbox:
    box = reconciling()
    page(box, None)
    due = call(box)
    assert isinstance(due, Compare) and box.answered(due)
    box.compared(found(absent=absent, returned=returned), 0)
    return box


def test_absence_from_a_listing_and_one_404_delete_nothing_and_a_second_404_later_does() -> None:
    box = reconciled(absent=(7,))
    box.take(1)
    box.fetched((), (7,), 0, 5.0)
    first = commit(box)
    assert first.changes == () and [item.kind for item in first.failed] == [FailedKind.CHECK]
    history(box, Changed((), (), 500, None))
    commit(box)
    assert not box.is_due(604) and box.is_due(605)
    box.request(Mode.INCREMENTAL, 605)
    box.take(1)
    box.fetched((), (7,), 0, 605.0)

    second = commit(box)

    assert second.changes == (LabelChange(1, 7, DELETED, True, 500, mends=True),)
    assert second.update.mended == Mended(deleted=1) and second.settled == ((1, 7),)


def test_an_absent_message_that_answers_lives() -> None:
    box = reconciled(absent=(7,))
    box.take(1)
    assert box.fetched((7,), (), 10, 5.0) == (), "it is stored already"

    plan = commit(box)

    assert (plan.failed, plan.update.mended) == ((), None)
    assert not any(change.on for change in plan.changes)


def test_a_deleted_message_that_is_listed_and_answers_lives_again() -> None:
    box = reconciled(returned=(7,))
    box.take(1)
    box.fetched((7,), (), 10, 5.0)

    plan = commit(box)

    assert plan.changes == (LabelChange(1, 7, DELETED, False, 500, mends=True),)
    assert plan.update.mended == Mended(revived=1)


def test_many_deletions_at_once_are_suspect_and_wait() -> None:
    box = reconciled(absent=tuple(range(1, 102)))

    plan = commit(box)

    assert box.fetchable(0) == 0 and len(plan.failed) == 101
    assert {item.kind for item in plan.failed} == {FailedKind.SUSPECT}
    assert "suspect: a listing lacks 101 of 1000 messages at once" in plan.failed[0].error
    history(box, Changed((), (), 500, None))
    commit(box)
    box.request(Mode.INCREMENTAL, 100)
    box.retry_filed(100)
    assert box.fetchable(100) == 101, "somebody had a second look made"


def test_a_message_that_history_says_is_deleted_and_a_listing_names_is_fetched() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (LabelChange(1, 7, DELETED, True, 101),), 101, None))
    commit(box)
    box.request(Mode.FULL, 1)
    pinned(box, 102)
    listing(box, 7)

    land(box, 7)
    assert commit(box, 7).ends_listing

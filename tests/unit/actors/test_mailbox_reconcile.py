"""A comparison of a mailbox with Gmail: what it lists, what it fetches, and when its labels and totals count."""

from actors.decisions import (
    Changed,
    Compare,
    Confirm,
    Confirmed,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
    ReadLabels,
)
from actors.reconcile import Differences
from storage.model.records import LabelChange, Phase
from tests.unit.actors.mailboxes import (
    CURRENT,
    call,
    commit,
    confirmed,
    found,
    history,
    land,
    listing,
    mailbox,
    page,
    pinned,
    reconciling,
)


def test_a_reconcile_lists_all_ids_and_then_each_labels_and_fetches_nothing_that_is_stored() -> None:
    box = reconciling("INBOX", "Label_1")
    page(box, None, 1, 2, token="more")
    page(box, None, 3, total=3)
    page(box, "INBOX", 1, token="more")
    page(box, "INBOX", 2, total=2)
    page(box, "Label_1")

    compare = call(box)

    assert isinstance(compare, Compare) and compare.pinned == 500
    assert list(compare.listed.message_ids) == [1, 2, 3]
    assert {label: list(ids) for label, ids in compare.listed.labels.items()} == {"INBOX": [1, 2], "Label_1": []}
    assert box.fetchable(0) == 0


def test_a_reconcile_compares_only_once_everything_that_it_found_is_stored() -> None:
    box = reconciling()
    due = call(box)
    assert isinstance(due, ListPage) and box.answered(due)
    box.listed((9,), None, (9,))
    confirmed(box, 1)
    land(box, 9)
    assert box.next_call(9) is None

    commit(box, 9)

    assert isinstance(box.next_call(9), Compare)


def test_all_changes_of_a_message_are_in_one_commit_however_many_there_are() -> None:
    box = reconciling()
    page(box, None)
    due = call(box)
    assert box.answered(due)
    box.compared(found(*(LabelChange(1, number // 3, f"L{number % 3}", True, 500) for number in range(45_000))), 0)

    first, second, third = commit(box), commit(box), commit(box)

    assert [plan.ends_listing for plan in (first, second, third)] == [False, False, True]
    assert sum(len(plan.changes) for plan in (first, second, third)) == 45_000
    messages = [{change.message_id for change in plan.changes} for plan in (first, second, third)]
    assert messages[0].isdisjoint(messages[1]) and messages[1].isdisjoint(messages[2])


def test_a_listing_whose_page_token_is_refused_begins_again() -> None:
    box = reconciling("INBOX")
    page(box, None, 1, token="old")
    due = call(box)
    assert due == ListPage(1, "old") and box.answered(due)

    box.page_refused("no such page")

    assert box.next_call(9) == Pin(1)
    assert box.error == "no such page" and box.stuck == 1


def test_a_listing_that_the_profile_contradicts_is_read_again_until_it_agrees_or_repeats() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    for _ in range(2):
        pinned(box, 50)
        due = call(box)
        assert isinstance(due, ListPage) and box.answered(due)
        box.listed((7, 8), None, (7, 8))
        assert box.plan(()).update.phase is Phase.FULL
        confirmed(box, 3)

    assert box.error is None and box.stuck == 0, "twice the same is agreement"
    land(box, 7, 8)
    assert commit(box, 7, 8).ends_listing


def test_meanwhile_the_mailbox_says_what_disagrees() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    pinned(box, 50)
    due = call(box)
    assert box.answered(due)
    box.listed((7, 8), None, (7, 8))
    confirmed(box, 39)

    assert box.plan(()).update.error == "listing disagrees: 39 by the profile, 2 listed"
    assert box.next_call(9) == Pin(1) and box.stuck == 1


def test_what_a_label_lists_counts_only_when_the_label_agrees() -> None:
    box = reconciling("INBOX")
    page(box, None, 1, 2, total=2)
    for ids in ((1,), (2,), ()):
        page(box, "INBOX", *ids, total=9)

    compare = call(box)

    assert isinstance(compare, Compare)
    assert (compare.listed.labels, compare.listed.skipped) == ({}, frozenset({"INBOX"}))


def test_a_page_token_that_repeats_is_no_answer() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 101, "a"))
    history(box, Changed((), (), 102, "a"))

    assert box.next_call(9) == ReadHistory(1, 100, None)
    assert box.stuck == 1 and box.error is not None and "repeats a page token" in box.error


def test_a_label_that_nobody_knows_has_the_labels_read() -> None:
    box = mailbox(CURRENT)
    box.labels_read(("INBOX",), 0.0)
    box.request(Mode.INCREMENTAL, 1)
    history(box, Changed((), (LabelChange(1, 5, "Label_9", True, 101),), 101, None))

    assert not commit(box).update.synced
    assert call(box) == ReadLabels(1)
    box.answered(ReadLabels(1))
    box.labels_read(("INBOX", "Label_9"), 2.0)
    assert commit(box).update.synced


def test_what_could_not_be_read_is_kept_once_and_compared_with_gmail() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 101, None, unreadable=("{'id': 'x'}",)))

    plan = commit(box)

    assert [(item.item, item.where) for item in plan.unreadable] == [("{'id': 'x'}", "history.list")]
    assert box.begin_again(1) and box.phase is Phase.RECONCILE


def test_a_listing_of_a_busy_mailbox_agrees_with_the_one_before_but_for_what_changed_meanwhile() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    for number, (ids, answer) in enumerate(
        [((7, 8), Confirmed(99, history_id=50)), ((7, 9), Confirmed(99, added=(9,), deleted=(8,), history_id=60))]
    ):
        pinned(box, 50 + number)
        due = call(box)
        assert box.answered(due)
        box.listed(ids, None, ids)
        confirm = call(box)
        assert confirm == Confirm(1, None, 50), "the second time, too, what changed since the first is asked for"
        box.answered(confirm)
        box.confirmed(answer)

    assert box.error is None and box.stuck == 0


def test_a_history_id_before_the_listing_that_is_beyond_the_profiles_is_read_again() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    pinned(box, 10**15)
    due = call(box)
    assert box.answered(due)
    box.listed((7,), None, (7,))
    confirm = call(box)
    box.answered(confirm)
    box.confirmed(Confirmed(1, history_id=50))
    assert box.error is not None and "the profile says 50" in box.error

    pinned(box, 51)
    listing(box, 7)
    land(box, 7)

    assert commit(box, 7).update.cursor == 51


def test_a_total_that_is_too_low_does_not_make_a_listing_look_endless() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    pinned(box, 50)  # five messages, it says
    for number in range(20):
        ids = range(number * 500, number * 500 + 500)
        due = call(box, ahead=10**6)
        assert box.answered(due)
        box.listed(ids, f"page {number}", ids)

    assert box.stuck == 0 and call(box, ahead=10**6) == ListPage(1, "page 19")


def test_a_label_that_never_agrees_is_compared_again_a_few_times_and_then_waits() -> None:
    box = reconciling("INBOX")
    again = []
    for number in range(4):
        if number:
            due = call(box)
            assert isinstance(due, Pin) and box.answered(due)
            box.pinned(500, 5, ("INBOX",))
        page(box, None, 1, 2, total=2)
        for ids in ((1,), (2,), ()):
            page(box, "INBOX", *ids, total=9)
        compare = call(box)
        assert isinstance(compare, Compare) and compare.listed.skipped == {"INBOX"}
        box.answered(compare)
        box.compared(Differences((), (), (), 2), 0.0)
        commit(box)
        history(box, Changed((), (), 500, None))
        synced = commit(box).update.synced
        again.append((box.begin_again(1), synced))
        if not again[-1][0]:
            break

    assert again == [(True, False), (True, False), (False, True)]

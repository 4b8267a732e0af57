"""One mailbox's sync state: what it owes, what it asks, what a commit may say."""

from datetime import UTC, datetime

from actors.config import RetryConfig
from actors.decisions import (
    Call,
    Changed,
    Compare,
    Confirm,
    Confirmed,
    Failure,
    Fetch,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
    ReadLabels,
)
from actors.mailbox import Mailbox
from actors.plans import MailboxPlan
from actors.reconcile import Differences
from storage.model.records import DELETED, FailedItem, FailedKind, LabelChange, MailboxRecord, Mended, Phase

RETRY = RetryConfig(attempts=2, first_delay_s=1.0, filed_delay_s=100.0, longest_delay_s=1000.0)
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


def test_a_first_sync_pins_lists_fetches_and_then_follows_from_the_pin() -> None:
    box = mailbox()
    box.request(Mode.INCREMENTAL, 0)
    pinned(box, 50)
    listing(box, 7, 8)
    land(box, 7, 8)
    assert box.plan(()).update.cursor is None

    update = commit(box, 7, 8).update

    assert (update.phase, update.cursor, update.pinned) == (Phase.CURRENT, 50, None)
    assert box.next_call(9) == ReadHistory(1, 50, None)


def test_the_cursor_waits_for_what_a_page_brought() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 101, "next"))
    history(box, Changed((7,), (), 110, None))
    land(box, 7)

    assert box.plan(()).update.cursor == 101
    assert box.plan((7,)).update.cursor == 110


def test_a_label_change_waits_for_a_message_that_was_fetched_before_it() -> None:
    filed = FailedItem(1, 7, 2, "wrong", _at(0))
    box = mailbox(CURRENT, (filed,))
    box.request(Mode.INCREMENTAL, 10)
    land(box, 7)
    change = LabelChange(1, 7, "STARRED", True, 105)
    history(box, Changed((), (change,), 110, None))

    assert box.plan(()).changes == () and box.plan(()).update.cursor == 100
    assert box.plan((7,)).changes == (change,)


def test_a_message_that_fails_too_often_is_filed_and_holds_the_cursor_no_longer() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7,), (), 110, None))
    box.take(1)
    box.failed(Failure(7, "wrong", retryable=True, charged=True), 0)
    assert (box.fetchable(0.5), box.wake_at(), box.fetchable(1)) == (0, 1, 1)
    box.take(1)
    box.failed(Failure(7, "wrong", retryable=True, charged=True), 1)

    plan = commit(box)

    assert plan.failed == (FailedItem(1, 7, 2, "wrong", _at(101)),)
    assert plan.update.cursor == 110 and plan.update.synced
    assert not box.is_due(100) and box.is_due(101)


def test_a_message_that_was_turned_away_unread_is_charged_no_attempt() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7,), (), 110, None))
    for now in range(10):
        assert box.fetchable(now) == 1
        box.take(1)
        box.failed(Failure(7, "slow down", retryable=True, charged=False), now)

    assert box.plan(()).failed == ()
    assert box.progress.throttled == 10


def test_a_filed_message_that_is_gone_comes_off_the_list() -> None:
    box = mailbox(CURRENT, (FailedItem(1, 7, 3, "wrong", _at(0), since=_at(0)),))
    box.request(Mode.INCREMENTAL, 10)
    box.take(1)
    box.fetched((), (7,), 0, 200_000)

    assert commit(box).settled == ((1, 7),)
    assert box.due_at() is None


def test_a_full_sync_of_a_current_mailbox_follows_from_its_cursor() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.FULL, 0)
    pinned(box, 500)
    listing(box)

    assert commit(box).update.cursor == 100
    assert box.next_call(9) == ReadHistory(1, 100, None)


def test_an_expired_history_leaves_no_cursor_until_all_is_listed() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    assert box.answered(call(box))
    box.history_expired()
    assert (box.plan(()).update.cursor, box.plan(()).update.phase) == (None, Phase.RECONCILE)
    pinned(box, 500)
    listing(box)
    assert box.plan(()).update.cursor is None
    due = call(box)
    assert isinstance(due, Compare) and box.answered(due)
    box.compared(found(), 0)

    assert commit(box).update.cursor == 500


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


def test_a_reconcile_that_was_stopped_or_revoked_is_begun_again_and_not_forgotten() -> None:
    for halt in ("stop", "revoke"):
        box = reconciling("INBOX")
        box.stop() if halt == "stop" else box.revoked("refused")
        update = box.plan(()).update

        record = MailboxRecord(1, "a@example.com", update.phase, pinned=update.pinned, resume=update.resume)
        again = mailbox(record)
        again.renewed()
        again.request(Mode.INCREMENTAL, 0)

        assert call(again) == Pin(1)
        again.pinned(700, 5, ("INBOX",))
        assert again.phase is Phase.RECONCILE


def test_a_listing_whose_page_token_is_refused_begins_again() -> None:
    box = reconciling("INBOX")
    page(box, None, 1, token="old")
    due = call(box)
    assert due == ListPage(1, "old") and box.answered(due)

    box.page_refused("no such page")

    assert box.next_call(9) == Pin(1)
    assert box.error == "no such page" and box.stuck == 1


def test_a_stopped_mailbox_that_was_current_stays_stopped_after_a_restart() -> None:
    box = mailbox(CURRENT)
    box.stop()
    update = box.plan(()).update

    again = mailbox(MailboxRecord(1, "a@example.com", update.phase, cursor=update.cursor, resume=update.resume))
    assert (update.phase, again.pollable) == (Phase.STOPPED, False)
    again.request(Mode.INCREMENTAL, 0)

    assert again.next_call(9) == ReadHistory(1, 100, None)


def test_a_full_sync_that_a_revoked_grant_cut_short_goes_on_as_a_full_sync() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.FULL, 0)
    pinned(box, 500)
    box.revoked("refused")
    update = box.plan(()).update

    box.renewed()
    box.request(Mode.INCREMENTAL, 0)

    assert (update.phase, update.resume) == (Phase.REVOKED, Phase.FULL)
    pinned(box, 600)
    assert box.next_call(9) == ListPage(1, None)


def test_a_round_that_finds_nothing_is_quiet() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 100, None))
    quiet = commit(box).update
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (LabelChange(1, 5, "INBOX", True, 101),), 101, None))

    busy = commit(box).update

    assert (quiet.synced, quiet.quiet) == (True, True)
    assert (busy.synced, busy.quiet) == (True, False)


def test_a_full_sync_that_was_stopped_goes_on_whatever_is_asked() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.FULL, 0)
    pinned(box, 500)
    box.stop()
    box.request(Mode.INCREMENTAL, 0)

    pinned(box, 600)
    listing(box)

    assert commit(box).ends_listing


def test_an_answer_from_before_a_stop_is_of_no_use() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    pinned(box, 50)
    listing(box, 7, token="next")
    late = call(box)
    box.stop()
    box.request(Mode.FULL, 0)

    assert not box.answered(late)
    assert box.next_call(9) == Pin(1)


def test_a_commit_from_before_a_stop_does_not_end_the_round_after_it() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 110, None))
    plan = box.plan(())
    box.stop()
    box.request(Mode.INCREMENTAL, 0)
    box.committed(plan)

    assert plan.update.synced and box.active
    history(box, Changed((), (), 105, "next"))
    assert box.plan(()).update.cursor == 110, "the cursor never goes back"


def test_a_request_while_a_round_ends_begins_another() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 110, None))
    box.request(Mode.INCREMENTAL, 0)
    commit(box)

    assert box.active and box.begin_again(1)
    assert box.next_call(9) == ReadHistory(1, 100, None), "a while before the cursor"


def test_nothing_is_asked_for_after_a_stop_not_even_what_was_filed() -> None:
    box = mailbox(CURRENT, (FailedItem(1, 7, 2, "wrong", _at(0)),))
    box.stop()

    assert not box.is_due(10) and box.next_call(9) is None
    box.request(Mode.INCREMENTAL, 10)
    assert box.fetchable(10) == 1


def test_a_revoked_mailbox_asks_for_nothing_until_it_is_renewed() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7, 8), (), 110, None))
    box.take(1)
    box.revoked("renew it")
    box.request(Mode.INCREMENTAL, 0)
    assert box.next_call(9) is None and box.plan(()).update.phase is Phase.REVOKED
    box.call_failed("something else")
    assert box.error == "renew it"

    box.renewed()
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7, 8), (), 110, None))

    assert box.take(9).message_ids == (8,), "7 is still out, and is not fetched twice"


def test_mail_that_was_lost_before_its_segment_is_fetched_again() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((7,), (), 110, None))
    land(box, 7)
    box.returned((7,), 5)

    assert box.fetchable(4) == 0 and box.fetchable(5) == 1
    assert box.plan((7,)).backlog.landed == frozenset()


def test_an_error_of_a_call_is_forgotten_with_the_next_answer() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    assert box.answered(call(box))
    box.call_failed("did not answer")
    assert box.error == "did not answer"
    history(box, Changed((), (), 110, None))

    assert box.error is None


def test_listing_pauses_when_enough_ids_wait() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0)
    pinned(box, 50)
    listing(box, 1, 2, 3, token="next")

    assert box.next_call(3) is None
    assert box.next_call(4) == ListPage(1, "next")


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_a_stop_during_a_full_sync_outlives_the_owner_until_the_next_request() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0.0)
    pinned(box, 50)
    listing(box, 1, 2, token="more")
    land(box, 1)
    box.stop()

    plan = commit(box, 1)
    assert (plan.update.phase, plan.update.pinned, plan.update.cursor) == (Phase.STOPPED, 50, None)
    after = mailbox(MailboxRecord(1, "a@example.com", Phase.STOPPED, pinned=50))
    assert after.next_call(100) is None and not after.active

    after.request(Mode.INCREMENTAL, 0.0)
    pinned(after, 70)
    assert after.plan(()).update.pinned == 50, "the older pin sees more"
    assert commit(after).update.phase is Phase.FULL


def test_a_listing_whose_end_was_being_committed_when_it_was_stopped_is_complete() -> None:
    box = mailbox()
    box.request(Mode.FULL, 0.0)
    pinned(box, 50)
    listing(box, 1)
    land(box, 1)
    plan = box.plan((1,))
    box.stop()
    box.committed(plan)

    update = box.plan(()).update
    assert (update.phase, update.resume, update.cursor) == (Phase.STOPPED, Phase.CURRENT, 50)
    assert not box.active and box.next_call(100) is None


def test_units_are_told_as_a_total_so_that_a_repeated_commit_counts_none_twice() -> None:
    box = mailbox(MailboxRecord(1, "a@example.com", Phase.CURRENT, cursor=100, units=40))
    box.spent(5)
    first = box.plan(())
    box.spent(2)
    box.committed(first)

    assert (first.update.units, box.plan(()).update.units) == (45, 47)


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


def test_a_refused_grant_is_tried_again_by_itself_ever_more_seldom() -> None:
    box = mailbox(CURRENT)
    waits = []
    now = 0.0
    for _ in range(3):
        box.request(Mode.INCREMENTAL, now)
        box.revoked("refused", now)
        due_at = box.due_at()
        assert due_at is not None and box.is_due(due_at) and not box.is_due(due_at - 1)
        waits.append(due_at - now)
        now = due_at
        box.renewed()

    assert waits == [60, 240, 960]


def test_what_could_not_be_read_is_kept_once_and_compared_with_gmail() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 101, None, unreadable=("{'id': 'x'}",)))

    plan = commit(box)

    assert [(item.item, item.where) for item in plan.unreadable] == [("{'id': 'x'}", "history.list")]
    assert box.begin_again(1) and box.phase is Phase.RECONCILE


def test_a_quarantined_mailbox_says_why_and_waits_for_somebody() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    box.quarantine("KeyError('x')")

    update = box.plan(()).update

    assert update.phase is Phase.STOPPED and update.error == "quarantined after a defect of this release: KeyError('x')"
    assert box.next_call(9) is None and not box.is_due(1e9)


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


def test_pages_of_history_that_say_nothing_new_are_no_loop_while_they_get_ahead() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    for number in range(300):
        history(box, Changed((), (), 101 + number, f"page {number}"))

    assert box.stuck == 0 and call(box) == ReadHistory(1, 100, "page 299")


def test_history_that_never_ends_is_given_up_for_a_comparison() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    for _ in range(8):
        history(box, Changed((), (), 101, "a"))
        history(box, Changed((), (), 101, "a"))

    assert box.next_call(9) == Pin(1) and box.expiries == 1
    assert box.plan(()).update.phase is Phase.RECONCILE


def test_a_cursor_that_history_never_reaches_is_given_up() -> None:
    box = mailbox(CURRENT)
    for attempt in range(2):
        box.request(Mode.INCREMENTAL, attempt)
        history(box, Changed((), (), 40, None))
        if attempt == 0:
            assert commit(box).update.error == "history ends at 40, before 100, which it named earlier"

    assert box.next_call(9) == Pin(1) and box.plan(()).update.cursor is None


def test_a_history_id_that_gmail_refuses_is_taken_for_expired_after_a_few_times() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    for _ in range(3):
        due = call(box)
        assert due == ReadHistory(1, 100, None) and box.answered(due)
        box.start_refused("Invalid startHistoryId")

    assert box.next_call(9) == Pin(1)


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


def test_a_message_that_failed_several_times_is_fetched_alone() -> None:
    box = Mailbox(NEW, (), RetryConfig(attempts=9, first_delay_s=0.1, longest_delay_s=0.1))
    box.request(Mode.FULL, 0)
    pinned(box, 50)
    listing(box, 6, 7, 8)
    for now in range(3):
        assert box.fetchable(now) == 3
        for key in box.take(3).message_ids:
            box.failed(Failure(key, "cut", True, True), now)

    assert box.fetchable(9) == 3
    assert len(box.take(3).message_ids) == 1


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

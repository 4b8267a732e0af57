"""One mailbox's sync state: what it owes, what it asks, what a commit may say."""

from actors.config import RetryConfig
from actors.decisions import (
    Changed,
    Compare,
    Failure,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
)
from actors.mailbox import Mailbox
from storage.model.records import FailedItem, LabelChange, MailboxRecord, Phase
from tests.unit.actors.mailboxes import CURRENT, NEW, at, call, commit, found, history, land, listing, mailbox, pinned


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
    filed = FailedItem(1, 7, 2, "wrong", at(0))
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

    assert plan.failed == (FailedItem(1, 7, 2, "wrong", at(101)),)
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


def test_a_request_while_a_round_ends_begins_another() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    history(box, Changed((), (), 110, None))
    box.request(Mode.INCREMENTAL, 0)
    commit(box)

    assert box.active and box.begin_again(1)
    assert box.next_call(9) == ReadHistory(1, 100, None), "a while before the cursor"


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


def test_units_are_told_as_a_total_so_that_a_repeated_commit_counts_none_twice() -> None:
    box = mailbox(MailboxRecord(1, "a@example.com", Phase.CURRENT, cursor=100, units=40))
    box.spent(5)
    first = box.plan(())
    box.spent(2)
    box.committed(first)

    assert (first.update.units, box.plan(()).update.units) == (45, 47)


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

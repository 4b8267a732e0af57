"""A mailbox that is stopped, revoked or restarted: nothing is asked for, and nothing is forgotten."""

from actors.decisions import (
    Changed,
    ListPage,
    Mode,
    Pin,
    ReadHistory,
)
from storage.model.records import FailedItem, MailboxRecord, Phase
from tests.unit.actors.mailboxes import CURRENT, at, call, commit, history, land, listing, mailbox, pinned, reconciling


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


def test_nothing_is_asked_for_after_a_stop_not_even_what_was_filed() -> None:
    box = mailbox(CURRENT, (FailedItem(1, 7, 2, "wrong", at(0)),))
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


def test_a_quarantined_mailbox_says_why_and_waits_for_somebody() -> None:
    box = mailbox(CURRENT)
    box.request(Mode.INCREMENTAL, 0)
    box.quarantine("KeyError('x')")

    update = box.plan(()).update

    assert update.phase is Phase.STOPPED and update.error == "quarantined after a defect of this release: KeyError('x')"
    assert box.next_call(9) is None and not box.is_due(1e9)

"""What a shard decides for its mailboxes together."""

from actors.decisions import (
    CallFailed,
    Changed,
    CommitNow,
    Compare,
    Compared,
    Confirm,
    Confirmed,
    Fetch,
    Fetched,
    Listed,
    ListPage,
    Mode,
    Pin,
    Pinned,
    ReadHistory,
    Write,
)
from actors.reconcile import Differences
from storage.config import ArchiveConfig
from storage.model.records import LabelChange, MailboxRecord, Phase
from tests.unit.actors.shards import START, answer, only, opened, shard, written


def test_the_mail_of_all_mailboxes_fills_one_segment_and_one_commit() -> None:
    both = opened(shard(), 1, 2)
    answer(both, both.decide(START))
    answer(both, both.decide(START))
    [write] = only(both.decide(START), Write)
    both.written(written(write))

    [commit] = only(both.decide(START), CommitNow)

    assert {held.user_id for held in write.batches} == {1, 2}
    assert (commit.plan.shard_id, commit.plan.owner, commit.plan.epoch) == (3, "me", 7)
    assert {(update.user_id, update.cursor, update.synced) for update in commit.plan.mailboxes} == {
        (1, 200, True),
        (2, 200, True),
    }
    both.committed(START)
    assert both.decide(START) == [] and both.quiet and both.wake_at(START) is None
    assert both.committed_messages == 8


def test_mailboxes_take_turns_however_much_one_owes() -> None:
    many = opened(shard(calls=8, fetches=1, fetch_size=1), 1, 2, 3)
    answer(many, many.decide(START), ids=30)
    order = []
    for _ in range(9):
        fetches = only(many.decide(START), Fetch)
        order += [fetch.user_id for fetch in fetches]
        answer(many, fetches)

    assert sorted(order) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_too_many_requests_at_a_time_of_one_user_lower_that_users_fetches_and_nobody_elses() -> None:
    two = opened(shard(calls=8, fetches=8, fetches_per_mailbox=4, fetch_size=1), 1, 2)
    answer(two, two.decide(START), ids=30)
    fetches = only(two.decide(START), Fetch)
    assert sorted(fetch.user_id for fetch in fetches) == [1, 1, 1, 1, 2, 2, 2, 2]

    for fetch in fetches:
        refusal = CallFailed("too many concurrent requests", scope="concurrency", retry_after_s=1.0)
        passed = Fetched(fetch.message_ids, (), (), 100, "mail", 0)
        two.on_outcome(fetch, refusal if fetch.user_id == 1 else passed, START)

    later = only(two.decide(START + 90), Fetch)
    assert sorted(fetch.user_id for fetch in later) == [1, 2, 2, 2, 2]


def test_a_full_buffer_pauses_fetching_until_it_is_committed() -> None:
    one = opened(shard(buffer_bytes=400, typical_message_bytes=100, fetch_size=2), 1)
    answer(one, one.decide(START), ids=50)
    out = only(one.decide(START), Fetch)
    assert sum(len(fetch.message_ids) for fetch in out) == 4
    answer(one, out, size=100)

    assert only(one.decide(START), Fetch) == []
    [write] = only(one.decide(START + 3), Write)
    one.written(written(write))
    assert only(one.decide(START + 3), Fetch) == []
    one.committed(START)

    assert len(only(one.decide(START + 3), Fetch)) == 2


def test_a_buffer_smaller_than_a_message_still_lets_one_through() -> None:
    one = opened(shard(buffer_bytes=1), 1)
    answer(one, one.decide(START))

    assert [len(fetch.message_ids) for fetch in only(one.decide(START), Fetch)] == [1]


def test_a_segment_is_written_when_it_is_old_enough_and_not_before() -> None:
    one = opened(shard(ArchiveConfig(segment_age_s=2.1), fetches=2, fetch_size=2), 1)
    answer(one, one.decide(START))
    first, _slow = only(one.decide(START), Fetch)
    answer(one, [first], now=START + 0.3)

    wake_at = one.wake_at(START + 0.3)

    assert wake_at is not None and only(one.decide(wake_at - 0.01), Write) == []
    assert len(only(one.decide(wake_at), Write)) == 1


def test_messages_that_are_stored_already_are_left_out_of_the_next_try() -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START))
    answer(one, one.decide(START))
    [write] = only(one.decide(START), Write)
    one.written(written(write))
    assert len(only(one.decide(START), CommitNow)) == 1
    one.commit_failed(START, frozenset({(1, 1000)}))

    [again] = only(one.decide(START), Write)

    assert (again.batches, again.skip) == (write.batches, frozenset({(1, 1000)}))


def test_the_news_of_every_mailbox_in_a_commit_that_is_dropped_waits_for_the_next() -> None:
    two = opened(shard(fetch_size=4), 1, 2)
    first, second = only(two.decide(START), ReadHistory)
    answer(two, [first])
    [fetch] = only(two.decide(START), Fetch)
    answer(two, [fetch])
    [write] = only(two.decide(START + 3), Write)
    two.written(written(write))
    two.on_outcome(second, Changed((), (), 200, None), START)
    [commit] = only(two.decide(START + 3), CommitNow)
    assert {update.user_id for update in commit.plan.mailboxes} == {1, 2}
    two.commit_failed(START + 3, frozenset({(1, 1000)}))

    [again] = only(two.decide(START + 3), CommitNow)

    assert [(update.user_id, update.synced) for update in again.plan.mailboxes] == [(2, True)]


def test_a_mailbox_that_was_stopped_takes_no_second_place_while_its_call_stalls() -> None:
    two = opened(shard(calls=2), 1)
    [stalled] = only(two.decide(START), ReadHistory)
    two.stop(1)
    two.request(1, Mode.INCREMENTAL, START + 1)
    assert (only(two.decide(START + 1), ReadHistory), two.calls_out(1)) == ([], 1)
    opened(two, 2)

    assert [call.user_id for call in only(two.decide(START + 2), ReadHistory)] == [2]
    two.on_outcome(stalled, Changed((), (), 200, None), START + 3)
    assert [call.user_id for call in only(two.decide(START + 3), ReadHistory)] == [1]


def test_a_full_sync_that_a_crash_cut_short_goes_on() -> None:
    one = shard()
    one.open(MailboxRecord(1, "a@example.com", Phase.FULL, pinned=50), (), START)
    [pin] = one.decide(START)
    assert pin == Pin(1)


def test_a_revoked_grant_stops_only_its_mailbox() -> None:
    two = opened(shard(), 1, 2)
    first, second = only(two.decide(START), ReadHistory)
    two.on_outcome(first, CallFailed("renew it", revoked=True), START)
    two.on_outcome(second, Changed((), (), 200, None), START)

    [commit] = only(two.decide(START), CommitNow)

    assert {(update.user_id, update.phase, update.error) for update in commit.plan.mailboxes} == {
        (1, Phase.REVOKED, "renew it"),
        (2, Phase.CURRENT, None),
    }
    two.committed(START)
    assert two.decide(START) == [] and two.quiet
    assert two.wake_at(START) == START + 60, "a refusal may be transient"
    assert [decision.user_id for decision in only(two.decide(START + 60), ReadHistory)] == [1]


def test_an_expired_history_lists_everything_from_a_new_pin() -> None:
    one = opened(shard(), 1)
    [read] = only(one.decide(START), ReadHistory)
    one.on_outcome(read, CallFailed("expired", history_expired=True), START)
    [pin] = only(one.decide(START + 2), Pin)
    one.on_outcome(pin, Pinned(300, 1), START + 2)
    [page] = only(one.decide(START + 2), ListPage)
    one.on_outcome(page, Listed((), None), START + 2)
    [confirm] = only(one.decide(START + 2), Confirm)
    one.on_outcome(confirm, Confirmed(0), START + 2)
    one.committed(START)
    decisions = one.decide(START + 2)
    [commit] = only(decisions, CommitNow)
    assert [(update.phase, update.cursor) for update in commit.plan.mailboxes] == [(Phase.RECONCILE, None)]
    [compare] = only(decisions, Compare)
    change = LabelChange(1, 7, "INBOX", False, 300, mends=True)
    one.on_outcome(compare, Compared(Differences((change,), (), (), 1)), START + 2)
    one.committed(START)

    [commit] = only(one.decide(START + 2), CommitNow)

    assert [(update.phase, update.cursor) for update in commit.plan.mailboxes] == [(Phase.CURRENT, 300)]
    assert commit.plan.changes == (change,)


def test_the_fetches_of_one_mailbox_leave_a_place_to_the_others() -> None:
    two = opened(shard(calls=8, fetches=3, fetches_per_mailbox=3, fetch_size=1), 1)
    opened(two, 2)
    [first, _] = two.decide(START)
    assert isinstance(first, ReadHistory)
    answer(two, [first], ids=30)

    assert len(only(two.decide(START), Fetch)) == 2

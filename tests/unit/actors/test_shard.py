"""What a shard decides for its mailboxes together."""

import pytest

from actors.config import PollConfig, RetryConfig, ShardConfig
from actors.decisions import (
    CallFailed,
    Changed,
    CommitNow,
    Compare,
    Compared,
    Confirm,
    Confirmed,
    Decision,
    Fetch,
    Fetched,
    Listed,
    ListPage,
    Mode,
    Pin,
    Pinned,
    ReadHistory,
    Write,
    Written,
)
from actors.quota import ShardQuota
from actors.reconcile import Differences
from actors.shard import Shard
from jobs.gmail.config import GmailConfig
from storage.catalog.leases import Lease
from storage.config import ArchiveConfig
from storage.model.records import FailedItem, LabelChange, MailboxRecord, Phase, SegmentManifest
from storage.model.wait_reasons import WaitKind

START = 1000.0


def shard(archive: ArchiveConfig | None = None, **settings: int) -> Shard:
    config = ShardConfig(retry=RetryConfig(), poll=PollConfig(enabled=False), **settings)
    quota = ShardQuota(GmailConfig(quota_profile="unlimited"), 1, 0.0, succeeds=False)
    for user_id in range(1, 9):
        quota.ready_at(user_id, None, START - 60)
    return Shard(Lease(3, "me", 7), config, archive or ArchiveConfig(), quota)


def opened(shard: Shard, *user_ids: int) -> Shard:
    for user_id in user_ids:
        box = shard.open(MailboxRecord(user_id, "a@example.com", Phase.CURRENT, cursor=100), (), START)
        box.labels_read((), START)  # the next hour has no need to ask
        shard.request(user_id, Mode.INCREMENTAL, START)
    return shard


def answer(shard: Shard, decisions: list[Decision], now: float = START, size: int = 100, ids: int = 4) -> None:
    """Gmail answers: every history brings `ids` messages, every message arrives."""
    for decision in decisions:
        if isinstance(decision, ReadHistory):
            first = decision.user_id * 1000
            shard.on_outcome(decision, Changed(tuple(range(first, first + ids)), (), 200, None), now)
        elif isinstance(decision, Fetch):
            total = size * len(decision.message_ids)
            shard.on_outcome(decision, Fetched(decision.message_ids, (), (), total, "mail", 0), now)


def written(write: Write, name: str = "a") -> Written:
    count = sum(len(held.message_ids) for held in write.batches)
    return Written(write, SegmentManifest(name, 3, 7, count, 1, 1, 1, 0, ()), "index")


def only(decisions: list[Decision], kind: type) -> list:  # type: ignore[type-arg]
    return [decision for decision in decisions if isinstance(decision, kind)]


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


def test_a_commit_that_may_have_failed_is_repeated_as_it_is() -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START), ids=0)
    [commit] = only(one.decide(START), CommitNow)
    one.commit_failed(START)

    assert one.decide(START) == [] and one.wake_at(START) == START + 1
    assert one.decide(START + 1) == [commit]


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


@pytest.mark.parametrize(("lost", "writes"), [(False, 3), (True, 1)])
def test_a_segment_is_tried_three_times_unless_its_mail_is_lost(lost: bool, writes: int) -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START))
    answer(one, one.decide(START))
    now, tried, decisions = START, 0, one.decide(START)
    while write := only(decisions, Write):
        tried += 1
        one.write_failed(write[0], lost, now)
        now += 1
        decisions = one.decide(now)

    assert tried == writes
    [fetch] = only(decisions, Fetch)
    assert fetch.message_ids == (1000, 1001, 1002, 1003)


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


def test_a_fetch_that_fails_as_a_whole_says_so_and_is_repeated_after_a_pause() -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START))
    [fetch] = only(one.decide(START), Fetch)
    one.on_outcome(fetch, CallFailed("did not answer", retry_after_s=5.0), START)
    mailbox = one.mailbox(1)

    assert mailbox is not None and mailbox.error == "did not answer"
    assert only(one.decide(START + 4.9), Fetch) == []
    assert only(one.decide(START + 5.1), Fetch) == [fetch]


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


def test_calls_that_fail_one_after_another_come_ever_more_slowly_until_one_succeeds() -> None:
    failing = opened(shard(), 1)
    pauses, now = [], START
    for _ in range(9):
        [call] = only(failing.decide(now), ReadHistory)
        failing.on_outcome(call, CallFailed("Gmail did not answer"), now)
        assert only(failing.decide(now), ReadHistory) == []
        wake = failing.wake_at(now)
        assert wake is not None
        pauses.append(round(wake - now))
        now = wake
    [call] = only(failing.decide(now), ReadHistory)
    failing.on_outcome(call, Changed((), (), 150, "more"), now)
    [call] = only(failing.decide(now), ReadHistory)
    failing.on_outcome(call, CallFailed("Gmail did not answer"), now)
    assert only(failing.decide(now), ReadHistory) == []
    again = failing.wake_at(now)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert again is not None and round(again - now) == 1


def _written_segment(one: Shard) -> Write:
    answer(one, one.decide(START))
    answer(one, one.decide(START))
    [write] = only(one.decide(START), Write)
    assert isinstance(write, Write)
    return write


def test_a_message_that_no_segment_takes_is_found_by_halves_and_filed() -> None:
    one = opened(shard(), 1)
    write, now = _written_segment(one), START
    stored: set[int] = set()
    filed: list[FailedItem] = []
    todo = [write]
    while todo:
        write = todo.pop()
        ids = {key for held in write.batches for key in held.message_ids}
        if 1002 in ids:
            one.write_failed(write, False, now, "OverflowError")
        else:
            stored |= ids
            one.written(written(write, f"{ids}"))
        now += 1
        for decision in one.decide(now):
            if isinstance(decision, Write):
                todo.append(decision)
            elif isinstance(decision, CommitNow):
                filed += decision.plan.failed
                one.committed(now)
        todo += only(one.decide(now), Write)

    assert stored == {1000, 1001, 1003}
    assert [(item.message_id, item.error) for item in filed] == [(1002, "OverflowError")]


def test_a_mailbox_whose_news_no_database_takes_is_quarantined_and_the_others_are_stored() -> None:
    two = opened(shard(), 1, 2)
    for read in only(two.decide(START), ReadHistory):
        two.on_outcome(read, Changed((), (), 200, None), START)
    committed = []
    for _ in range(9):
        for commit in only(two.decide(START), CommitNow):
            users = {update.user_id for update in commit.plan.mailboxes}
            bad = any(update.user_id == 1 and update.phase is Phase.CURRENT for update in commit.plan.mailboxes)
            if bad:
                two.commit_refused("NUL", START)
            else:
                committed += [(user_id, commit.plan.mailboxes[0].error) for user_id in users]
                two.committed(START)

    assert committed == [(2, None), (1, "quarantined after a defect of this release: NUL")]
    assert two.quiet


def test_mailboxes_whose_calls_fail_leave_a_place_to_the_others() -> None:
    three = opened(shard(calls=2), 1, 2)
    now = START
    for _ in range(3):  # both fail three times
        for call in only(three.decide(now), ReadHistory):
            three.on_outcome(call, CallFailed("no answer"), now)
        now += 61
    opened(three, 3)

    assert sorted(call.user_id for call in only(three.decide(now), ReadHistory)) in ([1, 3], [2, 3])


def test_the_fetches_of_one_mailbox_leave_a_place_to_the_others() -> None:
    two = opened(shard(calls=8, fetches=3, fetches_per_mailbox=3, fetch_size=1), 1)
    opened(two, 2)
    [first, _] = two.decide(START)
    assert isinstance(first, ReadHistory)
    answer(two, [first], ids=30)

    assert len(only(two.decide(START), Fetch)) == 2


def test_one_refusal_of_the_project_rests_it_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened(shard(), 1)
    pauses: dict[str, float] = {}
    monkeypatch.setattr(one.quota, "pause", lambda user_id, scope, seconds, now: pauses.update({scope: seconds}))
    [call] = only(one.decide(START), ReadHistory)

    one.on_outcome(call, CallFailed("slow down", retry_after_s=86_400.0, scope="project"), START)

    assert pauses == {"user": 86_400.0, "project": 60.0}


def test_a_fetch_that_fails_as_a_whole_again_and_again_counts_for_its_messages_in_the_end() -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START), ids=2)
    now = START
    sizes = []
    for _ in range(40):
        for fetch in only(one.decide(now), Fetch):
            sizes.append(len(fetch.message_ids))
            one.on_outcome(fetch, CallFailed("cut", kind=WaitKind.GMAIL_UNREACHABLE), now)
        for commit in only(one.decide(now), CommitNow):
            assert commit.written is None
            one.committed(now)
        now += 120

    box = one.mailbox(1)
    assert box is not None and box.filed == 2
    assert sizes[:8] == [2] * 8 and sizes[-1] == 1, "at last each is fetched alone"

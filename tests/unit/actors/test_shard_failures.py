"""What a shard decides when calls, fetches, segments or commits fail."""

import pytest

from actors.decisions import (
    CallFailed,
    Changed,
    CommitNow,
    Fetch,
    ReadHistory,
    Write,
)
from actors.shard import Shard
from storage.model.records import FailedItem, Phase
from storage.model.wait_reasons import WaitKind
from tests.unit.actors.shards import START, answer, only, opened, shard, written


def test_a_commit_that_may_have_failed_is_repeated_as_it_is() -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START), ids=0)
    [commit] = only(one.decide(START), CommitNow)
    one.commit_failed(START)

    assert one.decide(START) == [] and one.wake_at(START) == START + 1
    assert one.decide(START + 1) == [commit]


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


def test_a_fetch_that_fails_as_a_whole_says_so_and_is_repeated_after_a_pause() -> None:
    one = opened(shard(), 1)
    answer(one, one.decide(START))
    [fetch] = only(one.decide(START), Fetch)
    one.on_outcome(fetch, CallFailed("did not answer", retry_after_s=5.0), START)
    mailbox = one.mailbox(1)

    assert mailbox is not None and mailbox.error == "did not answer"
    assert only(one.decide(START + 4.9), Fetch) == []
    assert only(one.decide(START + 5.1), Fetch) == [fetch]


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

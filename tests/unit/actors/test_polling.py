"""When mailboxes are looked at without being asked."""

from itertools import pairwise

from actors.config import PollConfig
from actors.polling import Polls, Schedule

CONFIG = PollConfig(shortest_s=30, longest_s=900, growth=2.0, jitter=0.0)


def test_a_quiet_mailbox_is_looked_at_ever_more_rarely_and_a_busy_one_at_once_again() -> None:
    polls, now, pauses = Polls(CONFIG, 1), 0.0, []
    for news in (True, False, False, False, False, False, False, True):
        polls.looked(7, news, now)
        due = polls.next_at()
        assert due is not None
        pauses.append(due - now)
        now = due
        assert polls.take(now) == [7]

    assert pauses == [30, 60, 120, 240, 480, 900, 900, 30]


def test_first_looks_are_spread() -> None:
    polls = Polls(CONFIG, 1)
    for user_id in range(1000):
        polls.open(user_id, 0.0)

    counts = [len(polls.take(second)) for second in range(0, 61, 6)]

    assert sum(counts) == 1000
    assert max(counts) < 150


def test_chance_spreads_looks_within_its_share() -> None:
    polls = Polls(PollConfig(shortest_s=100, jitter=0.2), 1)
    for user_id in range(200):
        polls.looked(user_id, True, 0.0)

    assert polls.take(79.9) == []
    assert len(polls.take(120.1)) == 200


def test_a_mailbox_that_is_closed_is_not_looked_at() -> None:
    polls = Polls(CONFIG, 1)
    polls.looked(7, True, 0.0)
    polls.close(7)

    assert polls.next_at() is None and polls.take(1e9) == []


def test_polling_can_be_switched_off() -> None:
    polls = Polls(PollConfig(enabled=False), 1)
    polls.open(7, 0.0)
    polls.looked(7, True, 0.0)

    assert polls.next_at() is None


def test_the_latest_moment_of_a_user_counts() -> None:
    schedule = Schedule()
    schedule.set(1, 10.0)
    schedule.set(1, 20.0)
    schedule.set(2, 15.0)

    assert schedule.take(12.0) == []
    assert schedule.take(15.0) == [2]
    assert (schedule.next_at(), schedule.take(20.0), schedule.next_at()) == (20.0, [1], None)


def test_moments_are_taken_in_order() -> None:
    schedule = Schedule()
    for user_id in range(100):
        schedule.set(user_id, float((user_id * 37) % 100))

    taken = schedule.take(1000.0)

    assert all((a * 37) % 100 < (b * 37) % 100 for a, b in pairwise(taken))

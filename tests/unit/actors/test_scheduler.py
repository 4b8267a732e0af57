"""actors/scheduler.py"""

from datetime import UTC, datetime

from actors.config import EvidenceConfig, PollConfig
from actors.scheduler import Scheduler

CONFIG = PollConfig(shortest_s=10, longest_s=100, jitter=0, topic="projects/p/topics/t")


def test_what_is_due_now_hides_nothing_that_comes_later() -> None:
    agenda = Scheduler(CONFIG, 0)
    agenda.looked(1, True, 50.0)  # its pushes are to be renewed at once, and it is polled later

    assert agenda.next_at(50.0) == 60.0
    assert (agenda.watches(50.0), agenda.polls(50.0)) == ([1], [])
    assert agenda.polls(60.0) == [1]
    assert agenda.next_at(60.0) is None


def test_without_a_topic_nothing_is_renewed() -> None:
    agenda = Scheduler(CONFIG.model_copy(update={"topic": ""}), 0)
    agenda.opened(1, 0.0)
    agenda.watch_at(1, 5.0)

    assert agenda.watches(1e9) == []


def test_a_mailbox_that_is_left_alone_keeps_its_retries() -> None:
    agenda = Scheduler(CONFIG, 0)
    agenda.opened(1, 0.0)
    agenda.retry_at(1, 30.0)
    agenda.closed(1)

    assert (agenda.polls(1e9), agenda.watches(1e9)) == ([], [])
    assert agenda.retries(29.0) == []
    assert agenda.retries(30.0) == [1]
    agenda.retry_at(1, None)
    assert agenda.next_at(0.0) is None


def test_every_mailbox_is_compared_with_gmail_within_seven_days_and_not_all_at_once() -> None:
    week = EvidenceConfig().reconcile_every_s
    agenda = Scheduler(PollConfig(jitter=0.1), 0, week)
    for user_id in range(1, 101):
        agenda.reconcile_at(user_id, None, 0.0)

    slices = [len(agenda.reconciles(week * share)) for share in (0.89, 0.92, 0.95, 0.98, 1.0)]

    assert week <= 6 * 86_400 and sum(slices) == 100, "a day is left to do it"
    assert slices[0] == 0 and max(slices) < 60, "they spread over the last tenth"
    agenda.reconcile_at(1, datetime.fromtimestamp(5.0, UTC), 100.0)
    assert agenda.reconciles(week * 0.89) == [] and agenda.reconciles(week + 5.0) == [1]

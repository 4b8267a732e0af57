"""A message that an earlier run sent is looked for only once its import can no longer arrive."""

from dataclasses import replace
from datetime import UTC, datetime

from jobs.restoring.restore import Done, Look, NotFound, Patience, RestoreWork
from storage.control.restore_records import RestoreMessage

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SENT = RestoreMessage(1, 0, 1, NOON, b"a", 10, ("INBOX",), state="sent", attempts=1, sent_at=NOON, sent_ago_s=100.0)


def test_the_first_look_waits_for_what_may_still_be_under_way() -> None:
    work = RestoreWork([SENT], {}, Patience(settle_s=20.0, landing_s=600.0), 1000.0)

    assert work.wake_at() == 1500.0
    assert work.take(1499.9) is None
    assert isinstance(work.take(1500.0), Look)


def test_an_old_intent_is_looked_for_after_the_usual_pause() -> None:
    work = RestoreWork([replace(SENT, sent_ago_s=700.0)], {}, Patience(settle_s=20.0, landing_s=600.0), 1000.0)

    assert work.wake_at() == 1020.0


def test_a_twin_that_waited_for_the_other_is_held_as_long() -> None:
    twin = replace(SENT, message_id=2, position=1, sent_ago_s=0.0)
    work = RestoreWork([SENT, twin], {}, Patience(settle_s=20.0, looks=1, landing_s=600.0), 1000.0)
    look = work.take(1500.0)
    assert isinstance(look, Look)
    assert work.answered(look, Done(7, 7), 1501.0) is not None

    assert work.take(1501.0) is None
    assert work.wake_at() == 1600.0
    second = work.take(1600.0)
    assert isinstance(second, Look)
    assert work.answered(second, NotFound(), 1600.0) is None

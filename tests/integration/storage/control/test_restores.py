"""The states of a restore, when its job, its user and a newer run change them at the same time."""

from datetime import UTC, datetime
from itertools import count

import pytest

from cluster.restore_job import close
from storage.control.campaigns import IdempotencyMismatch
from storage.control.control import Control
from storage.control.grants import Grants
from storage.control.principal import Principal
from storage.control.restore_records import (
    GrantEnded,
    MessageOutcome,
    Restore,
    RestoreConflict,
    RestoreMessage,
    RestoreState,
    Selection,
    TargetBusy,
    UnknownRestore,
)
from storage.control.restores import Restores
from storage.db.engines import Databases

_numbers = count()


@pytest.fixture
def restores(databases: Databases) -> Restores:
    return Restores(databases.control)


@pytest.fixture
def restore(databases: Databases, restores: Restores) -> Restore:
    """A restore of three messages at its first run; the second message has failed."""
    user = Control(databases.control).add_user(f"restore-{next(_numbers)}@example.com")
    begun = restores.begin(user, user, Selection(), "test")
    at = datetime(2024, 5, 1, tzinfo=UTC)
    restores.plan(begun.restore_id, [RestoreMessage(n, n, n, at, bytes(32), 1, ("INBOX",)) for n in (1, 2, 3)])
    restores.record(begun.restore_id, [MessageOutcome(2, "failed", detail="refused")])
    return restores.run(begun.restore_id)


def _done(restores: Restores, restore: Restore) -> None:
    restores.record(restore.restore_id, [MessageOutcome(n, "done", n, n) for n in (1, 3)])


def test_a_run_that_was_replaced_ends_nothing(restores: Restores, restore: Restore) -> None:
    _done(restores, restore)
    restores.run(restore.restore_id)

    assert close(restores, restore.restore_id, restore.runs, RestoreState.COMPLETE, None) == 1
    assert close(restores, restore.restore_id, restore.runs, RestoreState.PAUSED, "no consent") == 1
    assert restores.get(restore.restore_id).state is RestoreState.RUNNING


def test_a_pause_that_was_taken_back_while_the_job_stopped_pauses_nothing(restores: Restores, restore: Restore) -> None:
    restores.pause(restore.restore_id, "test")
    restores.resume(restore.restore_id, "test")

    assert close(restores, restore.restore_id, restore.runs, RestoreState.PAUSED, None) == 1
    resumed = restores.get(restore.restore_id)
    assert (resumed.state, resumed.failed) == (RestoreState.RUNNING, 1), "its job does not know that one is tried again"
    assert [each.restore_id for each in restores.running() if each.restore_id == restore.restore_id]


@pytest.mark.parametrize("error", [None, "no consent"])
def test_a_cancellation_while_the_job_paused_is_kept(restores: Restores, restore: Restore, error: str | None) -> None:
    restores.pause(restore.restore_id, "test")
    restores.cancel(restore.restore_id, "test")
    with pytest.raises(RestoreConflict):
        restores.end(restore.restore_id, restore.runs, RestoreState.PAUSED, error)

    close(restores, restore.restore_id, restore.runs, RestoreState.PAUSED, error)

    assert restores.get(restore.restore_id).state is RestoreState.CANCELLED


def test_a_run_cancels_only_what_is_to_be_cancelled(restores: Restores, restore: Restore) -> None:
    with pytest.raises(RestoreConflict):
        restores.end(restore.restore_id, restore.runs, RestoreState.CANCELLED)
    close(restores, restore.restore_id, restore.runs, RestoreState.PAUSED, "no consent")
    paused = restores.get(restore.restore_id)
    assert (paused.state, paused.error) == (RestoreState.PAUSED, "no consent")


def test_what_keeps_a_run_from_going_on_is_shown_until_the_next_one_goes_on(
    restores: Restores, restore: Restore
) -> None:
    restores.note(restore.restore_id, restore.runs, "Gmail is away")
    assert restores.get(restore.restore_id).error == "Gmail is away"

    newer = restores.run(restore.restore_id)
    restores.note(restore.restore_id, restore.runs, "the old run")
    assert (newer.error, restores.get(restore.restore_id).error) == ("Gmail is away", "Gmail is away")

    restores.note(restore.restore_id, newer.runs, None)
    assert restores.get(restore.restore_id).error is None


def test_what_has_been_imported_is_known_to_later_restores_of_the_same_into_the_same(
    databases: Databases, restores: Restores, restore: Restore
) -> None:
    other = Control(databases.control).add_user(f"restore-{next(_numbers)}@example.com")
    restores.record(restore.restore_id, [MessageOutcome(1, "done", 71, 7), MessageOutcome(3, "present", 73, 7)])

    assert restores.earlier(restore.source, restore.target) == {1: [71]}
    assert restores.earlier(restore.source, other) == restores.earlier(other, restore.target) == {}


def test_its_standing_is_its_state_and_newest_run(restores: Restores, restore: Restore) -> None:
    restores.pause(restore.restore_id, "test")
    assert restores.standing(restore.restore_id) == (RestoreState.PAUSING, restore.runs)
    with pytest.raises(UnknownRestore):
        restores.standing(1 << 40)


def test_a_restore_ends_only_when_nothing_is_left(restores: Restores, restore: Restore) -> None:
    assert close(restores, restore.restore_id, restore.runs, RestoreState.COMPLETE, None) == 1
    assert restores.get(restore.restore_id).state is RestoreState.RUNNING

    _done(restores, restore)
    assert close(restores, restore.restore_id, restore.runs, RestoreState.COMPLETE, None) == 1
    assert restores.get(restore.restore_id).state is RestoreState.INCOMPLETE

    resumed = restores.resume(restore.restore_id, "test")
    assert (resumed.state, resumed.failed, resumed.left) == (RestoreState.RUNNING, 0, 1), "it is tried again"


def test_the_oldest_restores_and_those_that_are_to_stop_are_admitted(databases: Databases, restores: Restores) -> None:
    for other in restores.running():  # of other tests
        restores.cancel(other.restore_id, "test")
        restores.end(other.restore_id, other.runs, RestoreState.CANCELLED)
    users = [Control(databases.control).add_user(f"restore-{next(_numbers)}@example.com") for _ in range(4)]
    ids = [restores.begin(user, user, Selection(), "test").restore_id for user in users]

    assert [each.restore_id for each in restores.admitted(2)] == ids[:2]
    restores.cancel(ids[3], "test")
    assert [each.restore_id for each in restores.admitted(2)] == [ids[3], *ids[:2]]
    restores.end(ids[0], 0, RestoreState.COMPLETE)
    assert [each.restore_id for each in restores.admitted(2)] == [ids[3], *ids[1:3]]


def test_the_age_of_an_intent_is_told_by_the_databases_clock(restores: Restores, restore: Restore) -> None:
    assert restores.intend(restore.restore_id, [1], 5, restore.runs) == {1}

    ages = {each.message_id: each.sent_ago_s for each in restores.messages(restore.restore_id)}

    assert ages[3] is None
    assert ages[1] is not None
    assert 0 <= ages[1] < 300


def test_the_end_of_a_grant_stops_a_restore_that_was_begun_by_it(databases: Databases, restores: Restores) -> None:
    control = Control(databases.control)
    owner, operator = (control.add_user(f"restore-{next(_numbers)}@example.com") for _ in range(2))
    reader = Principal(operator.user_id, operator.email, operator.shard_id, "operator")
    grants = Grants(databases.control)
    grant = grants.create(reader, owner, "they asked for it", 60.0, restore=True)
    begun = restores.begin(owner, owner, Selection(), operator.email, grant.grant_id)
    assert restores.standing(begun.restore_id) == (RestoreState.RUNNING, 0)

    grants.revoke(grant.grant_id, reader, None)

    with pytest.raises(GrantEnded):
        restores.standing(begun.restore_id)
    restores.end(begun.restore_id, 0, RestoreState.PAUSED, "The grant has ended.")
    assert restores.standing(begun.restore_id) == (RestoreState.PAUSED, 0)
    restores.resume(begun.restore_id, owner.email)
    assert restores.standing(begun.restore_id) == (RestoreState.RUNNING, 0), "the owner needs no grant"


def test_the_same_request_is_the_same_restore(databases: Databases, restores: Restores) -> None:
    user = Control(databases.control).add_user(f"restore-{next(_numbers)}@example.com")
    first = restores.begin(user, user, Selection("a"), "test", request_key="test 1")

    assert restores.begin(user, user, Selection("a"), "test", request_key="test 1").restore_id == first.restore_id
    with pytest.raises(TargetBusy):
        restores.begin(user, user, Selection("a"), "test", request_key="test 2")
    with pytest.raises(IdempotencyMismatch):
        restores.begin(user, user, Selection("b"), "test", request_key="test 1")
    restores.end(first.restore_id, 0, RestoreState.COMPLETE)
    assert restores.begin(user, user, Selection("a"), "test", request_key="test 1").restore_id == first.restore_id
    assert restores.begin(user, user, Selection("a"), "test", request_key="test 2").restore_id != first.restore_id

"""actors/wait_log.py, actors/wait_kinds.py"""

import logging

import pytest

from actors.decisions import CallFailed, Fetch, Fetched, Listed, ListPage, Write
from actors.wait_kinds import wait_kind
from actors.wait_log import WaitLog
from actors.work import WorkLost
from jobs.gmail.errors import AnswerUnreadable, GmailRefused, GmailUnavailable, Throttled
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import archive_error
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason

_CALL = ListPage(7, None)


def _fails(log: WaitLog, now: float, again_at: float = 0.0) -> None:
    log.began(_CALL, now)
    log.ended(_CALL, CallFailed("no route", kind=WaitKind.GMAIL_UNREACHABLE), now, again_at)


def test_a_reason_keeps_its_beginning_and_counts_its_tries() -> None:
    log = WaitLog(0)

    _fails(log, 10.0, again_at=11.0)
    _fails(log, 12.0, again_at=14.0)

    reason = WaitReason(0, 7, WaitKind.GMAIL_UNREACHABLE, "no route", 10.0, 2, 14.0)
    assert log.of(7) == [reason]
    assert log.of(8) == []
    assert reason.as_json()["since"] == "1970-01-01T00:00:10.000Z" and "2 tries" in str(reason)


def test_a_success_ends_what_gmail_held_back_and_nothing_else() -> None:
    log = WaitLog(0)
    _fails(log, 10.0)
    log.waits(7, WaitKind.PAUSED, "its backup was paused", 10.0)

    log.ended(_CALL, Listed((), None), 11.0, 11.0)

    assert [reason.kind for reason in log.of(7)] == [WaitKind.PAUSED]


def test_there_is_one_line_per_change_and_not_per_try(caplog: pytest.LogCaptureFixture) -> None:
    log = WaitLog(3)
    with caplog.at_level(logging.INFO):
        for now in range(100):
            _fails(log, float(now))
        log.ended(_CALL, Listed((), None), 101.0, 0.0)

    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "Shard 3, mailbox 7, waits",
        "Shard 3, mailbox 7, continues",
    ]


@pytest.mark.parametrize(("call", "late_s"), [(_CALL, 3.0), (Fetch(7, (1,)), 10.0)], ids=["call", "fetch"])
def test_a_call_that_is_not_answered_is_a_reason_before_it_fails(call: ListPage | Fetch, late_s: float) -> None:
    log = WaitLog(0)
    log.began(call, 100.0)

    log.late(100.0 + late_s - 0.1)
    assert not log.of(7)
    log.late(100.0 + late_s)
    log.late(100.0 + late_s + 1)

    assert [(reason.kind, reason.attempts) for reason in log.of(7)] == [(WaitKind.GMAIL_UNREACHABLE, 1)]


def test_a_call_without_a_worker_waits_for_a_worker_and_not_for_gmail() -> None:
    log = WaitLog(0)
    log.began(_CALL, 100.0)

    for now in (102.0, 103.0, 120.0):
        log.unbegun([_CALL], now)
        log.late(now)
    assert [(reason.kind, reason.since, reason.attempts) for reason in log.of(7)] == [(WaitKind.NO_WORKER, 103.0, 1)]

    log.unbegun([], 121.0)  # it has begun, and Gmail has three seconds from then on
    log.late(121.0)
    assert not log.of(7)
    log.late(123.0)
    assert [reason.kind for reason in log.of(7)] == [WaitKind.GMAIL_UNREACHABLE]


def test_a_worker_that_starts_is_no_reason() -> None:
    log = WaitLog(0)

    log.unbegun([_CALL], 102.0)
    log.unbegun([], 102.5)

    assert not log.of(7)


def test_a_segment_without_a_worker_is_a_reason_of_the_whole_shard() -> None:
    log, write = WaitLog(0), Write(())

    log.unbegun([write], 102.0)
    log.unbegun([write, _CALL], 103.0)
    assert [reason.kind for reason in log.of(WHOLE_SHARD)] == [WaitKind.NO_WORKER]

    log.ended(_CALL, Listed((), None), 103.5, 0.0)
    log.unbegun([write, _CALL], 104.0)
    log.unbegun([_CALL], 105.0)
    assert [(reason.user_id, reason.kind) for reason in log.all()] == [(7, WaitKind.NO_WORKER)]


def test_a_long_rest_is_a_quota_that_is_spent_until_a_time() -> None:
    log = WaitLog(0)
    fetch = Fetch(7, (1,))

    log.ended(fetch, Fetched((), (), (), 0, None, 0, pause_s=3600.0), 100.0, 100.0)

    assert [(reason.kind, reason.next_attempt_at) for reason in log.of(7)] == [(WaitKind.QUOTA_SPENT, 3700.0)]


async def test_what_changed_is_stored_at_once_and_what_only_counts_rarely() -> None:
    log, stored = WaitLog(0), list[list[WaitReason]]()

    async def write(reasons: list[WaitReason]) -> None:
        stored.append(reasons)

    await log.store(write, 0.0)
    assert stored == [[]]  # what the owner before it left is cleared
    for now in range(1, 10):
        _fails(log, float(now))
        await log.store(write, float(now))
    log.ended(_CALL, Listed((), None), 10.0, 0.0)
    await log.store(write, 10.0)

    assert [[reason.attempts for reason in reasons] for reasons in stored[1:]] == [[1], [6], []]


async def test_what_cannot_be_stored_is_stored_later_and_is_a_reason_itself() -> None:
    log, stored = WaitLog(0), list[list[WaitReason]]()
    away = True

    async def write(reasons: list[WaitReason]) -> None:
        if away:
            raise DatabaseUnreachable("127.0.0.1", "connection refused")
        stored.append(reasons)

    await log.store(write, 0.0)
    assert [reason.kind for reason in log.of(WHOLE_SHARD)] == [WaitKind.DATABASE_UNREACHABLE]
    away = False
    await log.store(write, 1.0)
    await log.store(write, 2.0)

    assert stored[-1] == [] and not log.all()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (GmailUnavailable("timed out"), WaitKind.GMAIL_UNREACHABLE),
        (Throttled("user", 2.0, "rateLimitExceeded"), WaitKind.GMAIL_THROTTLED),
        (Throttled("project", 4000.0, "dailyLimitExceeded"), WaitKind.QUOTA_SPENT),
        (GmailRefused(403, "accessNotConfigured"), WaitKind.GMAIL_REFUSED),
        (AnswerUnreadable("no JSON"), WaitKind.GMAIL_UNREADABLE),
        (DatabaseUnreachable("there", "refused"), WaitKind.DATABASE_UNREACHABLE),
        (archive_error("file:///a", OSError(28, "No space left on device")), WaitKind.DISK_FULL),
        (archive_error("file:///a", OSError(30, "Read-only file system")), WaitKind.DISK_READ_ONLY),
        (archive_error("file:///a", OSError(5, "Input/output error")), WaitKind.ARCHIVE_UNUSABLE),
        (WorkLost("OutOfMemoryError"), WaitKind.NO_WORKER),
        (BackupError("a defect"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BackupError) else str(value),
)
def test_every_error_that_people_can_act_on_is_a_reason(error: BackupError, kind: WaitKind | None) -> None:
    assert wait_kind(error) is kind

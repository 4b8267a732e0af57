"""cluster/supervision.py, without a Ray."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from actors.supervisor import Silence
from cluster import supervision
from cluster.supervision import SilenceRecord, keep_owned
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason


async def _until(condition: Callable[[], object], *work: "asyncio.Task[None]") -> None:
    try:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.002)
    finally:
        for task in work:
            task.cancel()


async def test_a_silent_owner_is_recorded_also_when_the_database_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_RECORD_S", 0.005)
    stored: list[tuple[tuple[int, WaitKind], WaitReason | None]] = []
    away = True

    def store(shard_id: int, kind: WaitKind, reason: WaitReason | None) -> None:
        if away:
            raise DatabaseUnreachable("127.0.0.1", "refused")
        stored.append(((shard_id, kind), reason))

    record = SilenceRecord([0, 1], store)
    record.notify("shard:1", Silence(12.0, 2, "no answer for 3 s"))
    record.notify("quota", Silence(12.0, 1, "no answer for 3 s"))
    task = asyncio.ensure_future(record.run())
    await asyncio.sleep(0.03)
    assert stored == []
    away = False
    await _until(lambda: len(stored) == 4)
    record.notify("shard:1", None)
    record.notify("quota", None)
    await _until(lambda: len(stored) == 7, task)

    first = dict(stored[:4])
    assert first[0, WaitKind.OWNER_SILENT] is None, "what a cluster before this one recorded is over"
    reason = first[1, WaitKind.OWNER_SILENT]
    assert reason is not None and reason.key == (WHOLE_SHARD, WaitKind.OWNER_SILENT)
    assert (reason.since, reason.attempts) == (12.0, 2)
    for shard_id in (0, 1):
        reason = first[shard_id, WaitKind.BROKER_SILENT]
        assert reason is not None and "no answer for 3 s" in reason.detail
    assert dict(stored[4:]) == {
        (1, WaitKind.OWNER_SILENT): None,
        (0, WaitKind.BROKER_SILENT): None,
        (1, WaitKind.BROKER_SILENT): None,
    }


async def test_the_reason_for_a_missing_owner_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    pings = 0

    async def ping(shard_id: int) -> None:
        nonlocal pings
        pings += 1
        if pings < 5:
            raise BackupError(f"shard {shard_id} belongs to another cluster")

    with caplog.at_level(logging.WARNING):
        task = asyncio.ensure_future(keep_owned(3, ping, 0.001))
        await _until(lambda: pings > 8, task)

    assert [record.getMessage() for record in caplog.records] == [
        "Shard 3: shard 3 belongs to another cluster",
        "Shard 3: its owner works again",
    ]

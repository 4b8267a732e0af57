"""serve/sync/sync.py"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from actors.decisions import Mode
from serve.config import ServeConfig
from serve.gateway import application
from serve.http.executor import BlockingExecutor
from serve.sync import sync
from storage.catalog.leases import LeaseLost
from storage.mailbox.failures import Failed
from storage.model.records import MailboxRecord, Phase, User
from storage.model.wait_reasons import WaitKind, WaitReason
from tests.unit.serve.fakes import (
    ANN,
    STREAMS,
    TODAY,
    MemoryPauses,
    MemoryReader,
    MemoryReaders,
    RecordingOwners,
    access_tokens,
    authentication,
    client,
    header,
)

_USER = User(ANN.user_id, ANN.email, ANN.shard_id)
_RECORD = MailboxRecord(1, ANN.email, Phase.FULL, None, 5, 100, 40, 4000, 200, None, datetime(2026, 11, 1, tzinfo=UTC))
_LIVE = {
    "phase": "full",
    "active": True,
    "estimate": 120,
    "error": None,
    "listed": 90,
    "fetched": 60,
    "fetched_bytes": 6000,
    "throttled": 2,
    "failed": 1,
}


@pytest.fixture
def owners() -> RecordingOwners:
    return RecordingOwners(live=dict(_LIVE))


@pytest.fixture
def pauses() -> MemoryPauses:
    return MemoryPauses()


@pytest.fixture
async def http(owners: RecordingOwners, pauses: MemoryPauses) -> AsyncIterator[httpx.AsyncClient]:
    tokens = access_tokens()
    readers = MemoryReaders({ANN.user_id: MemoryReader([], _RECORD)})
    app = application(
        "sync",
        [sync.router(readers, owners, pauses, STREAMS, BlockingExecutor(2), ServeConfig(), lambda: TODAY)],
        ServeConfig(),
        authentication(tokens),
    )
    async with client(app) as http:
        http.headers.update(header(tokens))
        yield http


async def test_status_joins_what_is_committed_with_what_is_under_way(http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/v1/sync/status")).json()

    assert document == {
        "phase": "full",
        "messages": 40,
        "size_bytes": 4000,
        "estimate": 120,
        "error": None,
        "synced_at": "2026-11-01T00:00:00Z",
        "active": True,
        "listed": 90,
        "fetched": 60,
        "fetched_bytes": 6000,
        "throttled": 2,
        "failed": 1,
        "paused": False,
        "waits": [],
        "quota": None,
    }


async def test_status_tells_operators_what_the_day_has_cost() -> None:
    tokens, reader = access_tokens(), MemoryReader([], _RECORD)
    parts = (RecordingOwners(live=dict(_LIVE)), MemoryPauses(), STREAMS, BlockingExecutor(2), ServeConfig())
    routes = sync.router(MemoryReaders({ANN.user_id: reader}), *parts, lambda: TODAY)
    async with client(application("sync", [routes], ServeConfig(), authentication(tokens))) as http:
        answer = await http.get("/api/v1/sync/status", headers=header(tokens, replace(ANN, role="operator")))

    assert answer.json()["quota"] == {
        "day": "2026-11-24",
        "spent": 70,
        "per_minute": 7.0,
        "by_midnight": 140,
        "threshold": 100,
        "paced": True,
        "reserved": 80,
        "free_left": 20,
        "billed_by_midnight": 0,
    }


async def test_status_says_why_the_callers_backup_waits(http: httpx.AsyncClient, pauses: MemoryPauses) -> None:
    pauses.reasons = [
        WaitReason(ANN.shard_id, 0, WaitKind.DISK_FULL, "7 MiB are free", 10.0, 3, 12.0),
        WaitReason(ANN.shard_id, ANN.user_id + 1, WaitKind.PAUSED, "somebody else's", 10.0),
    ]

    document = (await http.get("/api/v1/sync/status")).json()

    [reason] = document["waits"]
    assert "free space" in reason.pop("remedy")
    assert reason == {
        "kind": "disk_full",
        "detail": "7 MiB are free",
        "since": "1970-01-01T00:00:10Z",
        "attempts": 3,
        "next_attempt_at": "1970-01-01T00:00:12Z",
    }


async def test_what_failed_is_told_with_its_reason() -> None:
    reader = MemoryReader([], _RECORD)
    at = datetime(2026, 11, 2, tzinfo=UTC)
    reader.failed = (Failed(1, "1f", "missing", at, 3, at, "the field 'threadId' is missing", 321),)
    tokens = access_tokens()
    routes = sync.router(
        MemoryReaders({ANN.user_id: reader}),
        RecordingOwners(),
        MemoryPauses(),
        STREAMS,
        BlockingExecutor(2),
        ServeConfig(),
        lambda: TODAY,
    )
    async with client(application("sync", [routes], ServeConfig(), authentication(tokens))) as http:
        answer = await http.get("/api/v1/sync/failures", headers=header(tokens))
        whole, *none = [
            await http.get(f"/api/v1/sync/failures/{email_id}/received", headers=header(tokens))
            for email_id in ("1f", "20", "nonsense")
        ]

    assert (whole.content, whole.headers["Content-Disposition"]) == (b'{"id": "1f"}', "attachment")
    assert [each.status_code for each in none] == [404, 404]

    assert answer.json() == {
        "items": [
            {
                "id": "1f",
                "kind": "missing",
                "since": "2026-11-02T00:00:00Z",
                "attempts": 3,
                "next_attempt_at": "2026-11-02T00:00:00Z",
                "reason": "the field 'threadId' is missing",
                "received_bytes": 321,
            }
        ]
    }


async def test_an_owner_with_nothing_to_do_is_not_active(http: httpx.AsyncClient, owners: RecordingOwners) -> None:
    owners.live = None

    document = (await http.get("/api/v1/sync/status")).json()

    assert (document["phase"], document["active"], document["estimate"]) == ("full", False, 100)


async def test_status_holds_while_the_owner_is_silent(http: httpx.AsyncClient, owners: RecordingOwners) -> None:
    owners.failure = LeaseLost(0, 1)

    answer = await http.get("/api/v1/sync/status")

    assert answer.status_code == 200
    assert (answer.json()["messages"], answer.json()["active"], answer.json()["fetched"]) == (40, None, None)


@pytest.mark.parametrize(("body", "mode"), [({"mode": "full"}, Mode.FULL), ({"mode": "incremental"}, Mode.INCREMENTAL)])
async def test_a_sync_is_asked_of_the_callers_owner(
    http: httpx.AsyncClient, owners: RecordingOwners, body: dict[str, str], mode: Mode
) -> None:
    answer = await http.post("/api/v1/sync", json=body)

    assert answer.status_code == 202
    assert answer.json()["active"] is True
    assert owners.told == [("request", _USER, mode)]


@pytest.mark.parametrize("body", [{"mode": "all"}, {"mode": "full", "user_id": 2}, [], "full"])
async def test_a_mode_that_does_not_exist_is_refused(
    http: httpx.AsyncClient, owners: RecordingOwners, body: object
) -> None:
    answer = await http.post("/api/v1/sync", json=body)

    assert answer.status_code == 422
    assert owners.told == []


async def test_a_sync_is_stopped(http: httpx.AsyncClient, owners: RecordingOwners) -> None:
    answer = await http.post("/api/v1/sync/stop")

    assert answer.status_code == 200
    assert owners.told == [("stop", _USER, None)]


@pytest.mark.parametrize("path", ["/api/v1/sync", "/api/v1/sync/stop"])
async def test_an_owner_that_cannot_obey_is_told(http: httpx.AsyncClient, owners: RecordingOwners, path: str) -> None:
    owners.failure = LeaseLost(0, 1)

    answer = await http.post(path, json={"mode": "full"})

    assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
    assert int(answer.headers["retry-after"]) > 0

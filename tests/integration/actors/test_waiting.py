"""What holds an owner back is stored where people look, and ends by itself."""

import asyncio
import shutil
import time
from collections import namedtuple
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from actors.decisions import Mode
from actors.forecast import forecast
from actors.paced_broker import PacedBroker
from actors.work import PURPOSE, ThreadWork
from jobs.gmail.config import PACIFIC, GmailConfig
from jobs.gmail.records import Label, Profile
from storage.control.quota_ledger import QuotaLedger
from storage.control.wait_reasons import WaitReasons
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason
from tests.integration.actors.conftest import Cluster, Simulator, until

_Usage = namedtuple("_Usage", "total used free")


def stored(cluster: Cluster) -> dict[tuple[int, WaitKind], WaitReason]:
    return {reason.key: reason for reason in WaitReasons(cluster.databases.control).all()}


def waits(cluster: Cluster, user_id: int, kind: WaitKind) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return (user_id, kind) in stored(cluster)

    return condition


async def test_a_full_disk_keeps_the_mail_and_goes_on_when_there_is_room(
    cluster: Cluster, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1 << 20
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(1 << 40, 0, free))
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    await owner.request(user, Mode.FULL)

    await until(waits(cluster, WHOLE_SHARD, WaitKind.DISK_FULL), deadline_s=10)

    async def tried_again() -> bool:
        return stored(cluster)[WHOLE_SHARD, WaitKind.DISK_FULL].attempts >= 3

    await until(tried_again)
    status = owner.status(user.user_id)
    assert status is not None and [wait["kind"] for wait in status["waits"]] == ["disk_full"]
    assert "512 MiB" in status["waits"][0]["detail"]
    free = 1 << 40
    await cluster.quiet(owner, user)

    status = owner.status(user.user_id)
    assert status is not None and status["fetched"] == len(simulator.held(user.email)), "mail was fetched again"
    assert cluster.differences(user) == {}

    async def over() -> bool:
        return not stored(cluster)

    await until(over)


async def test_a_gmail_that_fails_is_named_with_its_tries_and_the_next_one(
    cluster: Cluster, simulator: Simulator
) -> None:
    simulator.misbehave(rate=1.0)
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    await owner.request(user, Mode.FULL)

    async def named() -> bool:
        reasons = [reason for (user_id, _), reason in stored(cluster).items() if user_id == user.user_id]
        return any(reason.attempts >= 1 and reason.next_attempt_at is not None for reason in reasons)

    await until(named, deadline_s=10)
    simulator.misbehave()
    await cluster.quiet(owner, user)

    assert cluster.differences(user) == {}
    assert owner.status(user.user_id)["waits"] == []  # type: ignore[index]


async def test_work_that_no_worker_takes_is_named_until_one_does(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, waiting, pin = asyncio.Event(), list[object](), ThreadWork.pin

    async def held(work: ThreadWork, token: SecretStr) -> tuple[Profile, list[Label]]:
        waiting.append(PURPOSE.get())
        await free.wait()
        waiting.clear()
        return await pin(work, token)

    async def unbegun(_: ThreadWork) -> list[object]:
        return list(waiting)

    monkeypatch.setattr(ThreadWork, "pin", held)
    monkeypatch.setattr(ThreadWork, "unbegun", unbegun)
    owner, _ = await cluster.owner()
    user = cluster.users[0]
    await owner.request(user, Mode.FULL)

    await until(waits(cluster, user.user_id, WaitKind.NO_WORKER), deadline_s=10)
    assert set(stored(cluster)) == {(user.user_id, WaitKind.NO_WORKER)}, "Gmail was not asked"
    free.set()
    await cluster.quiet(owner, user)

    assert cluster.differences(user) == {}

    async def over() -> bool:
        return not stored(cluster)

    await until(over)


async def test_a_pause_is_a_reason_until_it_ends(cluster: Cluster) -> None:
    owner, _ = await cluster.owner()
    user = cluster.users[0]

    await owner.pause_mailbox(user.user_id)
    await until(waits(cluster, user.user_id, WaitKind.PAUSED))
    await owner.unpause_mailbox(user.user_id)

    async def over() -> bool:
        return not stored(cluster)

    await until(over)


async def test_an_owner_whose_epoch_is_over_changes_no_reasons(cluster: Cluster) -> None:
    reasons = WaitReasons(cluster.databases.control)
    now = WaitReason(0, WHOLE_SHARD, WaitKind.DISK_FULL, "now", 2.0)
    reasons.replace(0, 7, [now])
    reasons.silent(0, WaitKind.OWNER_SILENT, WaitReason(0, WHOLE_SHARD, WaitKind.OWNER_SILENT, "silent", 3.0))

    reasons.replace(0, 6, [WaitReason(0, WHOLE_SHARD, WaitKind.DISK_READ_ONLY, "then", 1.0)])
    assert set(stored(cluster)) == {now.key, (WHOLE_SHARD, WaitKind.OWNER_SILENT)}
    reasons.replace(0, 8, [])
    reasons.silent(0, WaitKind.OWNER_SILENT, None)

    assert stored(cluster) == {}
    assert reasons.of([0], [1]) == []


async def test_a_day_whose_free_units_are_spent_waits_for_the_next_one_over_a_restart(
    cluster: Cluster, simulator: Simulator
) -> None:
    gmail = cluster.backup.gmail.model_copy(update={"quota_profile": "standard", "units_per_day": 1_200})
    cluster.backup = cluster.backup.model_copy(update={"gmail": gmail})
    noon, begun = datetime(2026, 11, 24, 12, tzinfo=PACIFIC), time.monotonic()
    ledger = QuotaLedger(cluster.databases.control)

    def broker(config: GmailConfig, days: int = 0) -> PacedBroker:
        """A new one, as after a restart."""
        at = (noon + timedelta(days=days)).timestamp() - begun
        return PacedBroker(config, lambda: ledger, lambda: at + time.monotonic())

    owner, _ = await cluster.owner(broker(gmail))
    user = cluster.users[0]
    await owner.request(user, Mode.FULL)
    await until(waits(cluster, WHOLE_SHARD, WaitKind.QUOTA_SPENT))
    status = owner.status(user.user_id)
    assert status is not None and status["waits"][0]["kind"] == "quota_spent"
    assert status["waits"][0]["next_attempt_at"].startswith("2026-11-2")
    assert "ALLOW_PAID_UNITS" in status["waits"][0]["remedy"]
    assert 600 < ledger.reserved(noon.date()) <= 900
    spent = await asyncio.to_thread(forecast, cluster.databases, gmail, noon)
    assert spent.paced and spent.free_left == 1_200 - spent.reserved
    await owner.close()
    fetched = status["fetched"]

    owner, _ = await cluster.owner(broker(gmail))
    await owner.request(user, Mode.FULL)
    await until(waits(cluster, WHOLE_SHARD, WaitKind.QUOTA_SPENT))

    status = owner.status(user.user_id)
    assert status is not None and status["fetched"] < 300 / 20, "the day began anew with the broker"
    assert fetched + status["fetched"] <= 900 / 20 and ledger.reserved(noon.date()) <= 900
    await owner.close()
    owner, _ = await cluster.owner(broker(gmail.model_copy(update={"allow_paid_units": True}), days=1))
    await owner.request(user, Mode.FULL)
    await cluster.quiet(owner, user)
    assert cluster.differences(user) == {}

    async def over() -> bool:
        return not stored(cluster)

    await until(over)

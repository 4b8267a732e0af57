"""A mailbox on which owner after owner ends is left alone, told, and its neighbours are served."""

import asyncio
from typing import Any

import pytest

from actors.decisions import Call, Mode, Outcome
from actors.remote import shard as module
from actors.shard import Shard
from actors.work import ThreadWork
from storage.model.records import Phase
from tests.integration.actors.conftest import Cluster, NoLimit, until
from tests.integration.actors.evidence.doubts import state, wrong


async def test_a_mailbox_on_which_two_owners_end_is_quarantined_and_the_others_are_served(
    doubted: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, neighbour = doubted.users
    monkeypatch.setattr(module, "RayWork", lambda config, _: ThreadWork(config.gmail, config.archive))
    monkeypatch.setattr(module, "RayBroker", lambda _: NoLimit())
    broker: Any = None
    host = module._ShardHost(0, doubted.backup, broker, 1)
    ends = 0

    def with_defect(shard: Shard, call: Call, outcome: Outcome, now: float) -> Any:
        nonlocal ends
        if call.user_id == user.user_id:
            ends += 1
            raise ArithmeticError("planted defect")
        return real(shard, call, outcome, now)

    real = Shard.on_outcome
    monkeypatch.setattr(Shard, "on_outcome", with_defect)
    await host.request(user, Mode.FULL)

    async def quarantined() -> bool:
        await host.ping()  # as the supervisor does
        found = await asyncio.to_thread(doubted.reader(user).state)
        return found is not None and found.phase is Phase.STOPPED

    await until(quarantined)

    error = state(doubted, user).error or ""
    assert ends == 2 and "quarantined after a defect of this release" in error and "planted defect" in error
    await host.request(neighbour, Mode.FULL)

    async def served() -> bool:
        await host.ping()
        return await asyncio.to_thread(wrong, doubted, neighbour) == {}

    await until(served)
    assert ends == 2, "nothing more is asked for the one mailbox"
    monkeypatch.setattr(Shard, "on_outcome", real)
    await host.request(user, Mode.FULL)

    async def whole() -> bool:
        return await asyncio.to_thread(wrong, doubted, user) == {}

    await until(whole)
    assert state(doubted, user).error is None
    await host.close()
    host._databases.close()

"""What other backups of Gmail get wrong, by name: each would fail here. With the real owner, Postgres and simulator.

Quotas written into the code, the fourth, are tests/unit/actors/test_quota.py's.
"""

import asyncio

import pytest

from actors.config import EvidenceConfig
from actors.decisions import Mode
from actors.owner import ShardOwner
from storage.model.records import User
from tests.integration.actors.conftest import Cluster, Simulator, until


def _arrive(simulator: Simulator, user: User, count: int) -> dict[int, int]:
    """New mail: id -> history id of its arrival."""
    arrived = {}
    for number in range(count):
        raw = f"Subject: new {number}\r\n\r\nhello\r\n".encode()
        told = simulator.ask(f"users/{user.email}/messages", raw)
        arrived[int(told["id"], 16)] = int(told["historyId"])
    return arrived


async def _synced(cluster: Cluster, user: User) -> ShardOwner:
    owner, _ = await cluster.owner()
    await owner.request(user, Mode.FULL)
    await cluster.quiet(owner, user)
    return owner


async def test_the_cursor_never_passes_a_message_whose_fetch_failed(cluster: Cluster, simulator: Simulator) -> None:
    user = cluster.users[0]
    owner = await _synced(cluster, user)
    arrived = _arrive(simulator, user, 40)
    reader, looks = cluster.reader(user), set()

    async def over() -> bool:
        status = owner.status(user.user_id)  # before the cursor: what is over then is committed
        state = await asyncio.to_thread(reader.state)
        assert state is not None and state.cursor is not None
        looks.add(state.cursor)
        passed = [message_id for message_id, history_id in arrived.items() if history_id <= state.cursor]
        unknown = await asyncio.to_thread(cluster.catalog.unknown, user.user_id, passed)
        filed = {item.message_id for item in await asyncio.to_thread(cluster.catalog.failed, user.shard_id)}
        assert set(unknown) <= filed, "the cursor is past mail that is neither stored nor filed"
        return status is not None and not status["active"]

    simulator.misbehave(rate=0.3)
    await owner.request(user, Mode.INCREMENTAL)
    await until(over)

    assert max(looks) >= max(arrived.values()), "it got to the end"


@pytest.mark.slow
async def test_an_error_inside_a_batch_is_not_counted_as_backed_up(cluster: Cluster, simulator: Simulator) -> None:
    user = cluster.users[1]
    simulator.misbehave(rate=0.15)
    await _synced(cluster, user)
    simulator.misbehave()

    state, failed = cluster.reader(user).state(), cluster.catalog.failed(user.shard_id)
    held, missing = simulator.held(user.email), cluster.differences(user)
    assert state is not None and state.messages == len(held) - len(missing), "what is counted can be read"
    assert set(missing) == {item.message_id for item in failed}, "what is missing is on the list of what failed"
    assert sum(simulator.ask("stats")["faults"].values()) > 0


async def test_expired_history_reads_no_message_again_that_is_stored(cluster: Cluster, simulator: Simulator) -> None:
    user = cluster.users[0]
    shard = cluster.backup.shard.model_copy(update={"evidence": EvidenceConfig(check_delay_s=0.3)})
    cluster.backup = cluster.backup.model_copy(update={"shard": shard})
    owner = await _synced(cluster, user)
    relabelled, deleted = list(simulator.held(user.email))[:2]
    arrived = _arrive(simulator, user, 3)
    simulator.act(user.email, f"messages/{relabelled:x}/labels", add=["STARRED"])
    simulator.act(user.email, f"messages/{deleted:x}/delete")
    simulator.act(user.email, "expire-history")
    before = simulator.ask("stats")["gets"]

    async def is_deleted() -> bool:
        gone = await asyncio.to_thread(cluster.reader(user).email, deleted)
        assert gone is not None
        return gone.summary.deleted_at is not None

    await owner.request(user, Mode.INCREMENTAL)
    await until(is_deleted)  # two 404s tell, one after the other, because the history does not
    await cluster.quiet(owner, user)

    assert simulator.ask("stats")["gets"] - before == len(arrived)
    starred = cluster.reader(user).email(relabelled)
    assert starred is not None and "STARRED" in starred.summary.labels
    assert cluster.differences(user) == {}

"""Pushes that get lost, with the real owner and a simulator that pushes: polling catches what they would have told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from actors.config import BackupConfig, PollConfig, ShardConfig
from actors.decisions import Mode
from cluster.simulator.process import start_simulator
from jobs.gmail.config import GmailConfig
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key
from tests.integration.actors.conftest import Cluster, Simulator, until

NOWHERE = "http://127.0.0.1:9/push"


@pytest.fixture
async def polled(new_pair: Callable[[], tuple[str, ...]], tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose mailboxes are watched and polled often, and whose pushes all get lost."""
    dsns = [SecretStr(dsn) for dsn in new_pair()]
    arguments = ["--generate=6", "--users=1", "--quota-profile=unlimited", f"--push-to={NOWHERE}", "--push-loss-rate=1"]
    with start_simulator(arguments) as gmail:
        poll = PollConfig(shortest_s=0.3, longest_s=0.6, topic="projects/p/topics/t")
        backup = BackupConfig(
            cluster="test",
            gmail=GmailConfig(endpoint=gmail, quota_profile="unlimited"),
            shard=ShardConfig(poll=poll),
            archive=ArchiveConfig(uri=f"file://{tmp_path}/archive", segment_age_s=0.2),
            postgres=PostgresConfig(control_dsn=dsns[0], shard_dsns=(dsns[1],)),
            sealing_key=SecretStr(new_key()),
        )
        cluster = Cluster(Simulator(gmail), backup)
        yield cluster
        for owner in cluster.owners:
            await owner.close()
        await until(cluster.unused)
        cluster.databases.close()


async def test_a_lost_push_is_caught_by_polling(polled: Cluster) -> None:
    owner, _ = await polled.owner()
    [user] = polled.users
    await owner.request(user, Mode.FULL)
    await polled.quiet(owner, user)

    async def is_watched() -> bool:
        stats = await asyncio.to_thread(polled.simulator.ask, "stats")
        return bool(stats["answered"].get("watch"))

    await until(is_watched)
    new = polled.simulator.ask(f"users/{user.email}/messages", b"Subject: just in\r\n\r\nhello\r\n")

    async def is_stored() -> bool:
        return await asyncio.to_thread(polled.reader(user).raw, int(new["id"], 16)) is not None

    async def is_lost() -> bool:
        stats = await asyncio.to_thread(polled.simulator.ask, "stats")
        return bool(stats["pushes"].get("lost"))

    await until(is_stored)
    await until(is_lost)
    stats = polled.simulator.ask("stats")
    assert stats["answered"]["watch"] == 1, "watched once a day, not at every look"
    assert polled.differences(user) == {}

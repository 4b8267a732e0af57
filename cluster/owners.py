"""Shard owners: started by the process that runs the cluster, called by commands outside the cluster."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cluster.home import Home
from cluster.session import joined
from storage.model.records import User

if TYPE_CHECKING:
    from actors.maintenance import Compacted
    from storage.recovery.rollup_writer import RolledUp

T = TypeVar("T")

#: Seconds to wait for the compaction of a shard; it continues afterwards.
_COMPACTION_S = 6 * 3600.0
#: Seconds for an owner to start, to acquire its shard and to delete orphan files.
_SWEEP_S = 120.0
#: Seconds for an owner to write its last roll-up and release its lease.
_CLOSE_S = 25.0
#: Seconds that the first roll-up of a large shard may take.
_ROLLUP_S = 3600.0


def retry_failed(home: Home, address: str, users: Sequence[User]) -> None:
    """Make the owners retry the failed messages of these mailboxes now.

    Raises:
        ShardUnavailable, MailboxPaused.
    """

    async def ask() -> None:
        from actors.remote.client import ShardClient

        client = ShardClient(timeout_s=30.0)
        for user in users:
            await client.retry_failed(user)

    with joined(home, address):
        asyncio.run(ask())


def start_shards(config: Any, shards: Sequence[int]) -> None:
    """Start the broker and the owner of every shard. They begin to work at their first ping.

    Args:
        config: actors.config.BackupConfig.
        shards: shard ids; each owner looks its database up in the shard map.
    """
    from actors.remote.quota import start_broker
    from actors.remote.shard import start_shard

    broker = start_broker(config)
    for shard_id in shards:
        start_shard(shard_id, config, broker, len(shards))


async def sweep_shards(shards: Sequence[int]) -> list[str]:
    """Make every owner acquire its shard, and return the orphan files that it deleted.

    Raises:
        BackupError: an owner cannot work.
    """
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_SWEEP_S)
    swept = await asyncio.gather(*(client.ping(shard_id) for shard_id in shards))
    return [name for names in swept for name in names]


async def close_shards(shards: Sequence[int]) -> None:
    """Make every owner release its lease."""
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_CLOSE_S)
    await asyncio.gather(*(client.close(shard_id) for shard_id in shards), return_exceptions=True)


def compact_shards(home: Home, address: str, shards: Sequence[int], wait: bool) -> "dict[int, list[Compacted]]":
    """Make the owners of shards compact them, from outside the cluster. Return the merges if the call waits.

    Raises:
        RayUnavailable, and whatever an owner raises.
    """
    with joined(home, address):
        return asyncio.run(_compact(shards, wait))


def roll_up_shards(home: Home, address: str, shards: Sequence[int]) -> "dict[int, RolledUp | None]":
    """Make the owners of shards write roll-ups, from outside the cluster.

    Raises:
        RayUnavailable, and whatever an owner raises.
    """
    with joined(home, address):
        return asyncio.run(_roll_up(shards))


async def _roll_up(shards: Sequence[int]) -> "dict[int, RolledUp | None]":
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_ROLLUP_S)
    return await _of_each(shards, client.roll_up)


def rest_mailbox(home: Home, address: str, user: User, paused: bool) -> None:
    """Pause or resume a mailbox at the owner of its shard, from outside the cluster.

    Raises:
        RayUnavailable, and whatever the owner raises.
    """
    with joined(home, address):
        asyncio.run(_rest(user, paused))


async def _rest(user: User, paused: bool) -> None:
    from actors.decisions import Mode
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=30.0)
    if paused:
        return await client.pause(user)
    await client.unpause(user)
    return await client.request(user, Mode.INCREMENTAL)


async def _compact(shards: Sequence[int], wait: bool) -> "dict[int, list[Compacted]]":
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_COMPACTION_S if wait else 30.0)
    return await _of_each(shards, lambda shard_id: client.compact(shard_id, wait))


async def _of_each(shards: Sequence[int], ask: Callable[[int], Awaitable[T]]) -> dict[int, T]:
    """Call the owners of several shards in parallel: a silent or failing owner does not delay the others.

    Raises:
        BackupError: the first failure, after every owner has responded or timed out.
    """
    answers = await asyncio.gather(*(ask(shard_id) for shard_id in shards), return_exceptions=True)
    done: dict[int, T] = {}
    for shard_id, answer in zip(shards, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        done[shard_id] = answer
    return done

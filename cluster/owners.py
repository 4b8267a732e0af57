"""The owners of shards: started and watched by who runs the cluster, told what to do by commands beside it."""

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

#: Seconds that a whole shard's compaction may take before it is no longer waited for; it goes on.
_COMPACTION_S = 6 * 3600.0
#: Seconds that an owner has to roll up for the last time and to give its lease up.
_CLOSE_S = 25.0
#: Seconds that the first roll-up of a large shard may take.
_ROLLUP_S = 3600.0


def start_shards(config: Any, shards: Sequence[int]) -> None:
    """Start the broker and the owner of every shard; they work from their first ping on.

    Args:
        config: actors.config.BackupConfig.
        shards: their numbers; each owner finds its database in the map.
    """
    from actors.remote.quota import start_broker
    from actors.remote.shard import start_shard

    broker = start_broker(config)
    for shard_id in shards:
        start_shard(shard_id, config, broker, len(shards))


async def sweep_shards(shards: Sequence[int]) -> list[str]:
    """Have every owner take its shard; returns the orphan files swept on the way.

    Raises:
        BackupError: an owner cannot work.
    """
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=60.0)
    swept = await asyncio.gather(*(client.ping(shard_id) for shard_id in shards))
    return [name for names in swept for name in names]


async def close_shards(shards: Sequence[int]) -> None:
    """Have every owner give its lease up."""
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_CLOSE_S)
    await asyncio.gather(*(client.close(shard_id) for shard_id in shards), return_exceptions=True)


def compact_shards(home: Home, address: str, shards: Sequence[int], wait: bool) -> "dict[int, list[Compacted]]":
    """Have the owners of shards merge all that they can, from outside the cluster; what was merged, if waited for.

    Raises:
        RayUnavailable, and whatever an owner raises.
    """
    with joined(home, address):
        return asyncio.run(_compact(shards, wait))


def roll_up_shards(home: Home, address: str, shards: Sequence[int]) -> "dict[int, RolledUp | None]":
    """Have the owners of shards roll up what only Postgres knows, from outside the cluster.

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
    """Have the owner of a mailbox's shard pause or resume its backup, from outside the cluster.

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
    """What the owner of each shard answers, asked at once: one that is silent or fails keeps no other from its work.

    Raises:
        BackupError: the first failure, once every owner has answered or been given up.
    """
    answers = await asyncio.gather(*(ask(shard_id) for shard_id in shards), return_exceptions=True)
    done: dict[int, T] = {}
    for shard_id, answer in zip(shards, answers, strict=True):
        if isinstance(answer, BaseException):
            raise answer
        done[shard_id] = answer
    return done

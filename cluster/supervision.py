"""Watches the owners of shards and the brokers for as long as the cluster runs, in a thread of its own.

Each is watched by itself (actors/supervisor.py): an owner that hangs is killed and replaced, and delays nobody. The
ping that follows makes the new process take its shard's lease, and replaces an owner that ended by itself.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from actors.supervisor import Actors, ActorSupervisor, Silence, SupervisorConfig
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)

#: Seconds that an owner has to take its shard: it sweeps and reads all its mailboxes first.
_OWN_S = 60.0

OnSilence = Callable[[str, Silence | None], None]


def owner_name(shard_id: int) -> str:
    """The name of the actor that owns a shard."""
    return f"shard:{shard_id}"


@contextmanager
def supervised(
    backup: Any, rates: Any, shards: Sequence[int], config: SupervisorConfig, on_change: OnSilence
) -> Iterator[None]:
    """Watch until the block ends.

    Args:
        backup: actors.config.BackupConfig.
        rates: serve.config's configuration of callers' rates; None: there is no gateway.
        on_change: called in the watching thread.
    """
    from actors.remote.quota import start_broker
    from actors.remote.rates import start_rates
    from actors.remote.shard import start_shard
    from actors.remote.supervision import NamedActors

    def starter(shard_id: int) -> Callable[[], object]:
        return lambda: start_shard(shard_id, backup, start_broker(backup), len(shards))

    starters: dict[str, Callable[[], object]] = {owner_name(shard_id): starter(shard_id) for shard_id in shards}
    starters["quota"] = lambda: start_broker(backup)
    if rates is not None:
        starters["rates"] = lambda: start_rates(rates)
    with _in_thread(lambda: _watch(shards, list(starters), NamedActors(starters), config, on_change)):
        yield


async def _watch(
    shards: Sequence[int], names: Sequence[str], actors: Actors, config: SupervisorConfig, on_change: OnSilence
) -> None:
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_OWN_S)
    owned = (keep_owned(shard_id, client.ping, config.every_s) for shard_id in shards)
    await asyncio.gather(ActorSupervisor(names, actors, config, on_change).run(), *owned)


async def keep_owned(shard_id: int, ping: Callable[[int], Any], every_s: float) -> None:
    """Have a shard owned, for ever; what keeps its owner from it is logged when it changes."""
    before = ""
    while True:
        try:
            await ping(shard_id)
            trouble = ""
        except BackupError as exc:
            trouble = str(exc)
        if trouble != before:
            _LOG.warning("Shard %d: %s", shard_id, trouble or "its owner works again")
        before = trouble
        await asyncio.sleep(every_s)


@contextmanager
def _in_thread(work: Callable[[], Any]) -> Iterator[None]:
    """Run a coroutine in a thread until the block ends; a defect of it is logged, and it runs again."""
    ended, loops = threading.Event(), []

    async def until_ended() -> None:
        loops.append((asyncio.get_running_loop(), asyncio.current_task()))
        while True:
            try:
                await work()
            except Exception:  # noqa: BLE001 - a defect of ours must not leave the owners unwatched
                _LOG.exception("The watch over the owners failed and begins again")
                await asyncio.sleep(1.0)

    def run() -> None:
        try:
            asyncio.run(until_ended())
        except asyncio.CancelledError:
            assert ended.is_set()

    thread = threading.Thread(target=run, name="supervise-actors", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        for loop, task in loops:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(timeout=10.0)

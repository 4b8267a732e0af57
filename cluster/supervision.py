"""Watches the owners of shards, the brokers and new campaigns for as long as the cluster runs, in a thread of its own.

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
from cluster.campaign_starts import CampaignStarts
from storage.control.campaigns import Campaigns
from storage.control.wait_reasons import WaitReasons
from storage.errors import BackupError
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason

_LOG = logging.getLogger(__name__)

#: Seconds that an owner has to take its shard: it sweeps and reads all its mailboxes first.
_OWN_S = 60.0

#: Seconds between two looks whether there is something to record.
_RECORD_S = 0.5


def owner_name(shard_id: int) -> str:
    """The name of the actor that owns a shard."""
    return f"shard:{shard_id}"


@contextmanager
def supervised(
    backup: Any,
    rates: Any,
    shards: Sequence[int],
    config: SupervisorConfig,
    reasons: WaitReasons,
    campaigns: Campaigns,
) -> Iterator[None]:
    """Watch until the block ends.

    Args:
        backup: actors.config.BackupConfig.
        rates: serve.config's configuration of callers' rates; None: there is no gateway.
        reasons: where it is recorded that an owner is silent.
        campaigns: whose first requests are made before their jobs run.
    """
    from actors.remote.event_bus import start_bus
    from actors.remote.quota import start_broker
    from actors.remote.rate_limits import start_rates
    from actors.remote.shard import start_shard
    from actors.remote.supervision import NamedActors

    def starter(shard_id: int) -> Callable[[], object]:
        return lambda: start_shard(shard_id, backup, start_broker(backup), len(shards))

    starters: dict[str, Callable[[], object]] = {owner_name(shard_id): starter(shard_id) for shard_id in shards}
    starters["quota"] = lambda: start_broker(backup)
    starters["events"] = lambda: start_bus(backup)
    if rates is not None:
        starters["rates"] = lambda: start_rates(rates)
    with _in_thread(lambda: _watch(shards, list(starters), NamedActors(starters), config, reasons, campaigns)):
        yield


async def _watch(
    shards: Sequence[int],
    names: Sequence[str],
    actors: Actors,
    config: SupervisorConfig,
    reasons: WaitReasons,
    campaigns: Campaigns,
) -> None:
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_OWN_S)
    owned = (keep_owned(shard_id, client.ping, config.every_s) for shard_id in shards)
    record = SilenceRecord(shards, reasons.silent)
    supervisor = ActorSupervisor(names, actors, config, record.notify)
    starts = CampaignStarts(campaigns, client.request)
    await asyncio.gather(supervisor.run(), record.run(), starts.run(), *owned)


class SilenceRecord:
    """Records which owners are silent, as reasons why their shards wait."""

    def __init__(self, shards: Sequence[int], store: Callable[[int, WaitReason | None], None]) -> None:
        """`store`: blocking; raises BackupError when it must be tried again."""
        self._shards, self._store = {owner_name(shard_id): shard_id for shard_id in shards}, store
        # What a cluster before this one recorded is over.
        self._unstored: dict[int, WaitReason | None] = dict.fromkeys(shards)

    def notify(self, name: str, silence: Silence | None) -> None:
        """An actor fell silent, was replaced, or answers (None). The supervisor has logged it."""
        shard_id = self._shards.get(name)
        if shard_id is None:  # a broker: every shard goes on with its static share
            return
        self._unstored[shard_id] = (
            WaitReason(
                shard_id,
                WHOLE_SHARD,
                WaitKind.OWNER_SILENT,
                f"the owner of shard {shard_id} does not answer: {silence.reason}",
                silence.since,
                silence.probes,
            )
            if silence
            else None
        )

    async def run(self) -> None:
        """Store what changed, for ever; what cannot be stored now is stored later."""
        while True:
            for shard_id, reason in list(self._unstored.items()):
                del self._unstored[shard_id]
                try:
                    await asyncio.to_thread(self._store, shard_id, reason)
                except BackupError as exc:
                    _LOG.debug("It is not recorded yet whether shard %d is owned: %s", shard_id, exc)
                    self._unstored.setdefault(shard_id, reason)
            await asyncio.sleep(_RECORD_S)


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
    ended = threading.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def until_ended() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        while not ended.is_set():
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
        for task in tasks:
            task.get_loop().call_soon_threadsafe(task.cancel)
        thread.join(timeout=10.0)

"""Watches the owners of shards, the brokers and new campaigns while the cluster runs, in its own thread.

Each is watched separately (actors/supervisor.py): an owner that hangs is killed and replaced, and delays no other. The
following ping makes the new process take its shard's lease, and replaces an owner that ended by itself.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from actors.supervisor import Actors, ActorSupervisor, Silence, SupervisorConfig
from cluster.campaign_starts import CampaignStarts
from cluster.gateway_watch import watch_gateway
from storage.control.campaigns import Campaigns
from storage.control.wait_reasons import WaitReasons
from storage.errors import BackupError
from storage.model.wait_reasons import WHOLE_SHARD, WaitKind, WaitReason

_LOG = logging.getLogger(__name__)

#: Seconds for an owner to take its shard: it first sweeps and reads all its mailboxes.
_OWN_S = 60.0

#: The name of the quota broker's actor.
BROKER = "quota"

#: Seconds between two checks for changes to record.
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
    api: str | None = None,
) -> Iterator[None]:
    """Watch until the block ends.

    Args:
        api: address of the gateway; None: there is none.
        backup: actors.config.BackupConfig.
        rates: the configuration of callers' rate limits; None: there is no gateway.
        reasons: the table of wait reasons, for owners that do not answer.
        campaigns: the table of campaigns, whose first requests are made before their jobs run.
    """
    from actors.remote.event_bus import start_bus
    from actors.remote.quota import start_broker
    from actors.remote.rate_limits import start_rates
    from actors.remote.shard import start_shard
    from actors.remote.supervision import NamedActors

    def starter(shard_id: int) -> Callable[[], object]:
        return lambda: start_shard(shard_id, backup, start_broker(backup), len(shards))

    starters: dict[str, Callable[[], object]] = {owner_name(shard_id): starter(shard_id) for shard_id in shards}
    starters[BROKER] = lambda: start_broker(backup)
    starters["events"] = lambda: start_bus(backup)
    if rates is not None:
        starters["rates"] = lambda: start_rates(rates)
    actors = NamedActors(starters)
    with _in_thread(lambda: _watch(shards, list(starters), actors, config, reasons, campaigns, api)):
        yield


async def _watch(
    shards: Sequence[int],
    names: Sequence[str],
    actors: Actors,
    config: SupervisorConfig,
    reasons: WaitReasons,
    campaigns: Campaigns,
    api: str | None,
) -> None:
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=_OWN_S)
    owned = (keep_owned(shard_id, client.ping, config.every_s) for shard_id in shards)
    record = SilenceRecord(shards, reasons.silent)
    supervisor = ActorSupervisor(names, actors, config, record.notify)
    starts = CampaignStarts(campaigns, client.request)
    gateway = [watch_gateway(api, config.every_s)] if api else []
    await asyncio.gather(supervisor.run(), record.run(), starts.run(), *gateway, *owned)


class SilenceRecord:
    """Records that owners or the quota broker do not answer, as wait reasons of shards."""

    def __init__(self, shards: Sequence[int], store: Callable[[int, WaitKind, WaitReason | None], None]) -> None:
        """`store`: blocking; raises BackupError if it must be repeated."""
        self._shards, self._store = {owner_name(shard_id): shard_id for shard_id in shards}, store
        # The records of an earlier cluster are obsolete.
        self._unstored: dict[tuple[int, WaitKind], WaitReason | None] = {
            (shard_id, kind): None for shard_id in shards for kind in (WaitKind.OWNER_SILENT, WaitKind.BROKER_SILENT)
        }

    def notify(self, name: str, silence: Silence | None) -> None:
        """An actor stopped answering, was replaced, or answers again (None). The supervisor has logged it."""
        shard_id = self._shards.get(name)
        if shard_id is not None:
            what = f"the owner of shard {shard_id} does not answer"
            self._record(shard_id, WaitKind.OWNER_SILENT, what, silence)
        elif name == BROKER:
            for each in self._shards.values():
                what = "the quota broker does not answer, and the shard spends its even share of the project's quota"
                self._record(each, WaitKind.BROKER_SILENT, what, silence)

    def _record(self, shard_id: int, kind: WaitKind, what: str, silence: Silence | None) -> None:
        self._unstored[shard_id, kind] = (
            WaitReason(shard_id, WHOLE_SHARD, kind, f"{what}: {silence.reason}", silence.since, silence.probes)
            if silence
            else None
        )

    async def run(self) -> None:
        """Store changes, without end; a failed store is repeated later."""
        while True:
            for key, reason in list(self._unstored.items()):
                del self._unstored[key]
                try:
                    await asyncio.to_thread(self._store, *key, reason)
                except BackupError as exc:
                    _LOG.debug("It is not recorded yet whether shard %d is owned: %s", key[0], exc)
                    self._unstored.setdefault(key, reason)
            await asyncio.sleep(_RECORD_S)


async def keep_owned(shard_id: int, ping: Callable[[int], Any], every_s: float) -> None:
    """Keep a shard owned, without end; log every change of the owner's error."""
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
    """Run a coroutine in a thread until the block ends; log its defects and run it again."""
    ended = threading.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def until_ended() -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        while not ended.is_set():
            try:
                await work()
            except Exception:  # noqa: BLE001 - a defect of this program must not leave the owners unwatched
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

"""The one quota broker as a Ray actor."""

import asyncio
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.budget import BrokerSilent, Demand, Grant
from actors.config import BackupConfig
from actors.paced_broker import Ledger, PacedBroker
from actors.remote.names import BROKER_TIMEOUT_S, NAMESPACE, Process, this_process


class RayBroker:
    """Client of the one quota broker, which leases the project's units."""

    def __init__(self, handle: ActorHandle) -> None:
        self._handle = handle

    async def lease(self, shard_id: int, demand: Demand) -> Grant:
        """The granted units.

        Raises:
            BrokerSilent: the broker restarts, or is too busy.
        """
        granted: Grant = await self._ask(self._handle.lease.remote(shard_id, demand))
        return granted

    async def throttled(self, seconds: float) -> None:
        """Report that Gmail refused the whole project for this time."""
        await self._ask(self._handle.throttled.remote(seconds))

    async def _ask(self, reference: Any) -> Any:
        try:
            return await asyncio.wait_for(reference, BROKER_TIMEOUT_S)
        except (RayError, TimeoutError) as exc:
            raise BrokerSilent(type(exc).__name__) from exc


class _BrokerHost:
    """A quota broker in its own process."""

    def __init__(self, config: BackupConfig) -> None:
        def ledger() -> Ledger:
            # The database's driver takes 0.1 s of CPU and 11 MB (measured 2026-11), and only where units are counted.
            from storage.control.quota_ledger import QuotaLedger
            from storage.db.engines import Databases

            return QuotaLedger(Databases(config.postgres, application="gbm quota").control)

        self._broker = PacedBroker(config.gmail, ledger)

    async def alive(self) -> Process:
        return this_process()

    async def lease(self, shard_id: int, demand: Demand) -> Grant:
        return await self._broker.lease(shard_id, demand)

    async def throttled(self, seconds: float) -> None:
        await self._broker.throttled(seconds)


_BrokerActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_BrokerHost)


def start_broker(config: BackupConfig) -> ActorHandle:
    """The one quota broker, started if it does not exist."""
    return _BrokerActor.options(name="quota", namespace=NAMESPACE, get_if_exists=True, lifetime="detached").remote(
        config
    )

"""The one quota broker as a Ray actor."""

import asyncio
import time
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError

from actors.broker import QuotaBroker
from actors.budget import BrokerSilent, Demand
from actors.config import BackupConfig
from actors.remote.names import BROKER_TIMEOUT_S, NAMESPACE, Process, this_process


class RayBroker:
    """The one quota broker, asked for the project's units."""

    def __init__(self, handle: ActorHandle) -> None:
        self._handle = handle

    async def lease(self, shard_id: int, demand: Demand) -> float:
        """Units granted.

        Raises:
            BrokerSilent: it restarts, or is too busy.
        """
        granted: float = await self._ask(self._handle.lease.remote(shard_id, demand))
        return granted

    async def throttled(self, seconds: float) -> None:
        """Gmail refused the whole project for so long."""
        await self._ask(self._handle.throttled.remote(seconds))

    async def _ask(self, reference: Any) -> Any:
        try:
            return await asyncio.wait_for(reference, BROKER_TIMEOUT_S)
        except (RayError, TimeoutError) as exc:
            raise BrokerSilent(type(exc).__name__) from exc


class _BrokerHost:
    """A quota broker in a process of its own."""

    def __init__(self, config: BackupConfig) -> None:
        self._broker = QuotaBroker(config.gmail, time.time())

    async def alive(self) -> Process:
        return this_process()

    async def lease(self, shard_id: int, demand: Demand) -> float:
        return self._broker.lease(shard_id, demand, time.time())

    async def throttled(self, seconds: float) -> None:
        self._broker.throttled(seconds, time.time())


_BrokerActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_BrokerHost)


def start_broker(config: BackupConfig) -> ActorHandle:
    """The one quota broker, started if need be."""
    return _BrokerActor.options(name="quota", namespace=NAMESPACE, get_if_exists=True, lifetime="detached").remote(
        config
    )

"""The one event bus as a Ray actor."""

import asyncio
import logging

import ray
from ray.actor import ActorHandle

from actors.bus_service import BusService
from actors.config import BackupConfig
from actors.event_handlers import registered
from actors.remote.names import NAMESPACE, Process, this_process
from storage.db.engines import Databases

_LOG = logging.getLogger(__name__)
#: Connections to each database: of the batches, offsets and handlers at once.
_CONNECTIONS = 8


class _BusHost:
    """The event bus in a process of its own. It works from the first `alive` on; a bus that ended is started again."""

    def __init__(self, config: BackupConfig) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        postgres = config.postgres
        size = max(postgres.pool_size, _CONNECTIONS)
        self._databases = Databases(postgres.model_copy(update={"pool_size": size}), application="gbm event bus")
        self._config = config
        self._running: asyncio.Task[None] | None = None

    async def alive(self) -> Process:
        """This process, as soon as its event loop answers."""
        if self._running is None or self._running.done():
            if self._running is not None and not self._running.cancelled():
                _LOG.error("The event bus ended and is started again", exc_info=self._running.exception())
            service = BusService(self._databases, *registered(self._databases, self._config), self._config.events)
            self._running = asyncio.get_running_loop().create_task(service.run())
        return this_process()

    def __repr__(self) -> str:
        return "EventBus"


_BusActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_BusHost)


def start_bus(config: BackupConfig) -> ActorHandle:
    """The one event bus, started if need be. It works from its first `alive` on."""
    return _BusActor.options(name="events", namespace=NAMESPACE, get_if_exists=True, lifetime="detached").remote(config)

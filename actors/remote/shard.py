"""A shard's owner as a Ray actor."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import ray
from ray.actor import ActorHandle

from actors.config import BackupConfig
from actors.decisions import Mode
from actors.maintenance import Compacted
from actors.owner import ShardOwner
from actors.remote.names import NAMESPACE, Process, this_process
from actors.remote.quota import RayBroker
from actors.remote.work import SPENT, RayWork
from actors.tokens import Tokens
from jobs.analysis.running import configured
from jobs.gmail.config import GmailConfig
from storage.catalog.catalog import Catalog
from storage.control.control import Control
from storage.db.engines import Databases
from storage.files.blobs import open_blobs
from storage.model.records import User
from storage.recovery.rollup_writer import RolledUp

#: Number of owners that end on a defect of one mailbox before it is quarantined.
_ENDS = 2


class _ShardHost:
    """A shard's owner in its own process. A failed owner is replaced at the next call."""

    def __init__(self, shard_id: int, config: BackupConfig, broker: ActorHandle, shards: int) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        self._shard_id, self._config, self._shards = shard_id, config, shards
        self._databases = Databases(config.postgres, application=f"gbm shard {shard_id}")
        self._control = Control(self._databases.control)
        self._work, self._broker = RayWork(config, configured(config.analysis)), RayBroker(broker)
        self._sealer = config.sealer()
        self._owner: ShardOwner | None = None
        self._ended: Counter[int] = Counter()  # mailbox -> owners that ended on a defect on it
        self._quarantined: dict[int, str] = {}
        self._starting = asyncio.Lock()

    async def alive(self) -> Process:
        """This process, once its event loop answers, whether or not the shard can be owned now."""
        return this_process()

    async def ping(self) -> list[str]:
        """Ensure that the shard is owned and works; return the orphan files that were swept."""
        return (await self._live())[1]

    async def request(self, user: User, mode: Mode) -> None:
        self._quarantined.pop(user.user_id, None)  # requested
        await (await self._live())[0].request(user, mode)

    async def retry_failed(self, user: User) -> None:
        await (await self._live())[0].retry_failed(user)

    async def stop_mailbox(self, user_id: int) -> None:
        await (await self._live())[0].stop_mailbox(user_id)

    async def pause_mailbox(self, user_id: int) -> None:
        await (await self._live())[0].pause_mailbox(user_id)

    async def unpause_mailbox(self, user_id: int) -> None:
        await (await self._live())[0].unpause_mailbox(user_id)

    async def status(self, user_id: int) -> dict[str, Any] | None:
        return (await self._live())[0].status(user_id)

    async def gmail(self) -> GmailConfig:
        """The endpoint and quota of the cluster's Gmail, which a job's settings must not contradict."""
        return self._config.gmail

    async def lend(self, user_id: int, method: str) -> float:
        return (await self._live())[0].lend(user_id, method)

    async def repaid(self, user_id: int, method: str) -> None:
        (await self._live())[0].repaid(user_id, method)

    async def slow_down(self, user_id: int, scope: str, seconds: float) -> None:
        (await self._live())[0].slow_down(user_id, scope, seconds)

    async def measures(self) -> dict[str, float]:
        return (await self._live())[0].measures()

    async def compact(self, wait: bool) -> list[Compacted]:
        owner, _ = await self._live()
        return await owner.compact(wait)

    async def analyse(self, only: Sequence[str], user_ids: Sequence[int] | None, wait: bool) -> int:
        owner, _ = await self._live()
        return await owner.analyse(only, user_ids, wait)

    async def roll_up(self) -> RolledUp | None:
        owner, _ = await self._live()
        return await owner.roll_up()

    async def spent(self) -> dict[str, float]:
        """CPU seconds of this shard's tasks by stage, and `tasks:STAGE`, the number of tasks."""
        return dict(SPENT)

    async def close(self) -> None:
        """Release the lease, because the process is about to end."""
        async with self._starting:
            if self._owner is not None:
                await self._owner.close()
                self._owner = None

    async def _live(self) -> tuple[ShardOwner, list[str]]:
        async with self._starting:
            if self._owner is not None and self._owner.failure is None:
                return self._owner, []
            if self._owner is not None and (culprit := self._owner.culprit) is not None:
                self._ended[culprit] += 1
                if self._ended[culprit] >= _ENDS:
                    self._quarantined[culprit] = str(self._owner.failure)
            config = self._config
            database = await asyncio.to_thread(self._place)
            owner = ShardOwner(
                self._shard_id,
                config,
                self._work,
                self._broker,
                self._control,
                Catalog(self._databases.shard_database(database)),
                open_blobs(config.archive.uri),
                Tokens(self._control, self._sealer, config.gmail),
                self._shards,
            )
            swept = await owner.start(lambda: self._place() == database, self._quarantined)
            self._owner = owner
            return owner, swept

    def _place(self) -> int:
        """The index of the shard's database in the present map: the shard may have moved."""
        return self._control.shards()[self._shard_id]


_ShardActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, max_pending_calls=10_000)(_ShardHost)


def start_shard(shard_id: int, config: BackupConfig, broker: ActorHandle, shards: int) -> ActorHandle:
    """The one live owner of a shard (of `shards`), started if it does not exist. It works after its first `ping`."""
    resource = config.shard.resource
    return _ShardActor.options(
        name=f"shard:{shard_id}",
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        resources={resource: 1} if resource else None,
    ).remote(shard_id, config, broker, shards)

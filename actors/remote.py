"""Shards and the quota broker as Ray actors, and the work of shards as Ray tasks. The only file of actors/ with Ray.

Actors are detached, named and alone of their name in the namespace; they restart for ever, and whatever must survive
is in Postgres before it is in an actor. Methods are safe to repeat; Ray retries none of them.
"""

import asyncio
import logging
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import ray
from pydantic import SecretStr
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError

from actors.broker import QuotaBroker
from actors.budget import Demand
from actors.config import BackupConfig
from actors.decisions import Mode
from actors.owner import BrokerSilent, ShardOwner
from actors.rates import Ask, Grant, RateBroker, RatesConfig
from actors.tending import Compacted
from actors.tokens import Tokens
from actors.work import WorkLost
from jobs import tasks
from jobs.analysis.running import configured
from jobs.gmail.records import HistoryPage, Label, MessagePage, Profile, Watching
from jobs.intake import FetchReceipt
from jobs.reanalysis import Analysers
from storage.blobs import open_blobs
from storage.campaigns import Campaign, Campaigns
from storage.catalog import Catalog
from storage.control import Control
from storage.databases import Databases
from storage.errors import BackupError
from storage.leases import ShardMoving
from storage.records import AnalysisManifest, Merged, SegmentManifest, User
from storage.rollup import RolledUp

NAMESPACE = "gbm"

#: Seconds that the broker has to answer in: it only reckons.
_BROKER_TIMEOUT_S = 0.5

_LOG = logging.getLogger(__name__)

#: CPU seconds of this process's tasks by stage, and how many there were of each (`tasks:STAGE`); `gbm bench` asks.
_SPENT: Counter[str] = Counter()


class ShardUnavailable(BackupError):
    """The owner of a shard does not answer. It is being replaced: ask again in a moment."""

    def __init__(self, shard_id: int, reason: str) -> None:
        super().__init__(shard_id, reason)
        self.shard_id, self.reason = shard_id, reason

    def __str__(self) -> str:
        return f"The owner of shard {self.shard_id} does not answer ({self.reason}): ask again in a moment."


class RayWork:
    """`actors.work.Work` done by Ray tasks; a reference is an object reference."""

    def __init__(self, config: BackupConfig, analysers: Analysers | None = None) -> None:
        self._gmail, self._archive = ray.put(config.gmail), ray.put(config.archive)
        self.analysers = analysers

    async def pin(self, token: SecretStr) -> tuple[Profile, list[Label]]:
        answer: tuple[Profile, list[Label]] = await _answer(tasks.pin.remote(self._gmail, token))
        return answer

    async def list_page(self, token: SecretStr, page_token: str | None, label_id: str | None) -> MessagePage:
        answer: MessagePage = await _answer(tasks.list_page.remote(self._gmail, token, page_token, label_id))
        return answer

    async def watch(self, token: SecretStr, topic: str) -> Watching:
        answer: Watching = await _answer(tasks.watch.remote(self._gmail, token, topic))
        return answer

    async def history(self, token: SecretStr, start: int, page_token: str | None) -> HistoryPage:
        answer: HistoryPage = await _answer(tasks.history.remote(self._gmail, token, start, page_token))
        return answer

    async def fetch(self, token: SecretStr, user_id: int, message_ids: Sequence[int]) -> tuple[FetchReceipt, object]:
        receipt, mail = tasks.fetch.remote(self._gmail, token, user_id, message_ids)
        return await _answer(receipt), mail

    async def write_segment(
        self, shard_id: int, epoch: int, references: Sequence[object], skip: frozenset[tuple[int, int]]
    ) -> tuple[SegmentManifest | None, object]:
        manifest, index = tasks.write_segment.remote(self._archive, shard_id, epoch, skip, self.analysers, *references)
        return await _answer(manifest), index

    async def compact(self, shard_id: int, epoch: int, segments: Mapping[str, str | None]) -> tuple[Merged, object]:
        merged, moved = tasks.compact.remote(self._archive, shard_id, epoch, segments)
        return await _answer(merged), moved

    async def analyse(self, epoch: int, segment: str, old: str | None, names: Sequence[str]) -> AnalysisManifest:
        assert self.analysers is not None, "nobody names analysers that there are not"
        answer: AnalysisManifest = await _answer(
            tasks.analyse.remote(self._archive, segment, epoch, old, names, self.analysers)
        )
        return answer

    async def table(self, reference: object) -> pa.Table:
        return await _answer(reference)


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
            return await asyncio.wait_for(reference, _BROKER_TIMEOUT_S)
        except (RayError, TimeoutError) as exc:
            raise BrokerSilent(type(exc).__name__) from exc


class _BrokerHost:
    """A quota broker in a process of its own."""

    def __init__(self, config: BackupConfig) -> None:
        self._broker = QuotaBroker(config.gmail, time.time())

    async def lease(self, shard_id: int, demand: Demand) -> float:
        return self._broker.lease(shard_id, demand, time.time())

    async def throttled(self, seconds: float) -> None:
        self._broker.throttled(seconds, time.time())


class _RatesHost:
    """The broker of callers' rates in a process of its own. A new one begins with full buckets."""

    def __init__(self, config: RatesConfig) -> None:
        self._broker = RateBroker(config)

    async def settle(self, asks: dict[str, Ask]) -> dict[str, Grant]:
        return self._broker.settle(asks, time.monotonic())


class RateClient:
    """Settles a gateway replica's rates with their one broker, which is started if need be."""

    def __init__(self, config: RatesConfig) -> None:
        self._config = config
        self._handle: ActorHandle | None = None
        self._unanswered: asyncio.Future[Any] | None = None

    async def settle(self, asks: Mapping[str, Ask]) -> dict[str, Grant]:
        """What the broker grants.

        Raises:
            BrokerSilent: it restarts, or is too busy.
        """
        # One question at a time: what is granted to one that nobody waits for any more is lost, and a broker that takes
        # seconds to start would give a caller's whole bucket away so.
        if self._unanswered is not None and not self._unanswered.done():
            raise BrokerSilent("it has not answered yet")
        try:
            if self._handle is None:
                named = _RatesActor.options(name="rates", namespace=NAMESPACE, get_if_exists=True, lifetime="detached")
                self._handle = named.remote(self._config)
            self._unanswered = asyncio.wrap_future(self._handle.settle.remote(dict(asks)).future())
            self._unanswered.add_done_callback(lambda done: done.cancelled() or done.exception())
            grants: dict[str, Grant] = await asyncio.wait_for(asyncio.shield(self._unanswered), _BROKER_TIMEOUT_S)
        except (RayError, TimeoutError, ValueError) as exc:
            raise BrokerSilent(type(exc).__name__) from exc
        return grants


class _ShardHost:
    """A shard's owner in a process of its own. An owner that failed is replaced by a new one at the next call."""

    def __init__(self, shard_id: int, config: BackupConfig, broker: ActorHandle, shards: int) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        self._shard_id, self._config, self._shards = shard_id, config, shards
        self._databases = Databases(config.postgres, application=f"gbm shard {shard_id}")
        self._control = Control(self._databases.control)
        self._work, self._broker = RayWork(config, configured(config.analysis)), RayBroker(broker)
        self._sealer = config.sealer()
        self._owner: ShardOwner | None = None
        self._starting = asyncio.Lock()

    async def ping(self) -> list[str]:
        """Make sure that the shard is owned and works; the orphan files that were swept on the way."""
        return (await self._live())[1]

    async def request(self, user: User, mode: Mode) -> None:
        await (await self._live())[0].request(user, mode)

    async def stop_mailbox(self, user_id: int) -> None:
        await (await self._live())[0].stop_mailbox(user_id)

    async def pause_mailbox(self, user_id: int) -> None:
        await (await self._live())[0].pause_mailbox(user_id)

    async def unpause_mailbox(self, user_id: int) -> None:
        await (await self._live())[0].unpause_mailbox(user_id)

    async def status(self, user_id: int) -> dict[str, Any] | None:
        return (await self._live())[0].status(user_id)

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
        """CPU seconds of this shard's tasks by stage, and `tasks:STAGE`, how many told of it."""
        return dict(_SPENT)

    async def close(self) -> None:
        """Give the lease up; the process is about to end."""
        async with self._starting:
            if self._owner is not None:
                await self._owner.close()
                self._owner = None

    async def _live(self) -> tuple[ShardOwner, list[str]]:
        async with self._starting:
            if self._owner is not None and self._owner.failure is None:
                return self._owner, []
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
            swept = await owner.start(lambda: self._place() == database)
            self._owner = owner
            return owner, swept

    def _place(self) -> int:
        """The index of the shard's database, as the map has it now: the shard may have moved."""
        return self._control.shards()[self._shard_id]


_BrokerActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_BrokerHost)
_RatesActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0)(_RatesHost)
_ShardActor = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=0, max_pending_calls=10_000)(_ShardHost)


def start_broker(config: BackupConfig) -> ActorHandle:
    """The one quota broker, started if need be."""
    return _BrokerActor.options(name="quota", namespace=NAMESPACE, get_if_exists=True, lifetime="detached").remote(
        config
    )


def start_shard(shard_id: int, config: BackupConfig, broker: ActorHandle, shards: int) -> ActorHandle:
    """The one live owner of a shard (of `shards`), started if need be. It works from its first `ping` on."""
    return _ShardActor.options(
        name=f"shard:{shard_id}", namespace=NAMESPACE, get_if_exists=True, lifetime="detached"
    ).remote(shard_id, config, broker, shards)


def start_campaign(dashboard: str, command: Sequence[str], campaigns: Campaigns, campaign: Campaign) -> Campaign:
    """Have a campaign worked on by a Ray Job, submitted unless the last one is alive. Blocking.

    Args:
        command: what the job runs, but for the campaign's id.

    Raises:
        ConnectionError, RuntimeError: Ray does not answer, or does not take the job.
        CampaignEnded.
    """
    from ray.job_submission import JobSubmissionClient

    client = JobSubmissionClient(dashboard)
    if campaign.runs and campaign.ended_at is None and _is_alive(client, campaign.job_id):
        return campaign
    campaign = campaigns.run(campaign.campaign_id)
    client.submit_job(
        entrypoint=shlex.join([*command, str(campaign.campaign_id)]),
        submission_id=campaign.job_id,
        entrypoint_num_cpus=0,
        metadata={"campaign": str(campaign.campaign_id), "mode": campaign.mode, "mailboxes": str(campaign.mailboxes)},
    )
    return campaign


def _is_alive(client: Any, job_id: str) -> bool:
    try:
        return not client.get_job_status(job_id).is_terminal()
    except RuntimeError:  # this Ray has never heard of it: a former one ran it
        return False


class ShardClient:
    """Calls the owners of shards by name, from anywhere in the cluster."""

    def __init__(self, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s

    async def request(self, user: User, mode: Mode) -> None:
        """Begin a sync of a mailbox.

        Raises:
            ShardUnavailable, and whatever the owner raises.
        """
        await self._call(user.shard_id, "request", user, mode)

    async def stop(self, user: User) -> None:
        """Stop a mailbox's sync until the next request."""
        await self._call(user.shard_id, "stop_mailbox", user.user_id)

    async def pause(self, user: User) -> None:
        """Stop a mailbox's sync, and have none begin until `unpause`."""
        await self._call(user.shard_id, "pause_mailbox", user.user_id)

    async def unpause(self, user: User) -> None:
        """Let a mailbox be asked for again."""
        await self._call(user.shard_id, "unpause_mailbox", user.user_id)

    async def status(self, user: User) -> dict[str, Any] | None:
        """What the owner is doing for a mailbox; None when it has not taken it on."""
        answer: dict[str, Any] | None = await self._call(user.shard_id, "status", user.user_id)
        return answer

    async def ping(self, shard_id: int) -> list[str]:
        """Make sure that a shard is owned; the orphan files that were swept on the way."""
        swept: list[str] = await self._call(shard_id, "ping")
        return swept

    async def measures(self, shard_id: int) -> dict[str, float]:
        """What the owner measures of its work (`ShardOwner.measures`)."""
        measures: dict[str, float] = await self._call(shard_id, "measures")
        return measures

    async def compact(self, shard_id: int, wait: bool) -> list[Compacted]:
        """Have as few segments as possible in a shard. `wait`: until that is done; else nothing is told of it."""
        done: list[Compacted] = await self._call(shard_id, "compact", wait)
        return done

    async def analyse(self, shard_id: int, only: Sequence[str], user_ids: Sequence[int] | None, wait: bool) -> int:
        """Have a shard's segments (or those with mail of these users) analysed as far as they are not.

        `wait`: until that is done; how many were.
        """
        done: int = await self._call(shard_id, "analyse", list(only), user_ids, wait)
        return done

    async def roll_up(self, shard_id: int) -> RolledUp | None:
        """Have a shard's label events and state rolled up into a file; None: nothing is new."""
        done: RolledUp | None = await self._call(shard_id, "roll_up")
        return done

    async def spent(self, shard_id: int) -> dict[str, float]:
        """CPU seconds of the shard's tasks by stage, and `tasks:STAGE`, how many told of it."""
        spent: dict[str, float] = await self._call(shard_id, "spent")
        return spent

    async def close(self, shard_id: int) -> None:
        """Have the owner give its lease up."""
        await self._call(shard_id, "close")

    async def _call(self, shard_id: int, method: str, *arguments: object) -> Any:
        try:
            handle = ray.get_actor(f"shard:{shard_id}", namespace=NAMESPACE)
            return await asyncio.wait_for(getattr(handle, method).remote(*arguments), self._timeout_s)
        except ShardMoving as exc:
            raise ShardUnavailable(shard_id, "it moves to another database") from exc
        except BackupError as exc:  # Ray makes it an error of its own too, whose text is the remote traceback
            raise getattr(exc, "cause", None) or exc from None
        except (RayError, GetTimeoutError, TimeoutError, ValueError) as exc:
            cause = getattr(exc, "cause", None)
            if isinstance(cause, BackupError) and not isinstance(cause, ShardMoving):
                raise cause from exc
            raise ShardUnavailable(shard_id, type(exc).__name__) from exc


async def _answer(reference: object) -> Any:
    """What a task returned; its expected errors are raised."""
    try:
        answer = await reference  # type: ignore[misc]
    except RayError as exc:
        lost = not isinstance(exc, ray.exceptions.RayTaskError)
        raise WorkLost(f"{type(exc).__name__}: {str(exc).strip().splitlines()[-1][:200]}", lost) from exc
    if isinstance(answer, tasks.Timed):
        _SPENT.update(answer.cpu_s)
        _SPENT.update(f"tasks:{name}" for name in answer.cpu_s)
        answer = answer.answer
    if isinstance(answer, BackupError):
        raise answer
    return answer

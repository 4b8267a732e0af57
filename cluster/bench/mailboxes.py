"""`gbm bench mailboxes`: memory of a shard owner with many idle mailboxes, in a separate process.

The process imports the packages of a real owner, including Ray, but no cluster runs. Memory is measured before and
after the owner takes its shard.
"""

import asyncio
import gc
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import psutil

from actors.budget import Demand, Grant
from cluster.bench.home import private_home
from cluster.settings import Settings
from cluster.stores import Stores, open_stores
from storage.catalog.catalog import Catalog
from storage.db.engines import transaction
from storage.db.sql_files import query

_SHARD = 0
#: Mailboxes per INSERT statement; small enough to keep the progress bar moving.
_FILL = 200


@dataclass(frozen=True, slots=True)
class MailboxesResult:
    """Memory is unshared resident memory of the owner's process.

    base_mb: without mailboxes. timers, tasks: of the event loop, added by all idle mailboxes together.
    """

    mailboxes: int
    known_each: int
    memory_mb: float
    base_mb: float
    mailbox_kb: float
    start_s: float
    timers: int
    tasks: int
    idle_cpu_share: float

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class OwnerFigures:
    """Measurements of the owner's process."""

    base_bytes: int
    held_bytes: int
    start_s: float
    timers: int
    tasks: int
    idle_cpu_share: float


def bench_mailboxes(settings: Settings, mailboxes: int, known: int, report: Callable[[int], None]) -> MailboxesResult:
    """Hold idle mailboxes, each with `known` messages in Postgres, in a temporary home.

    Args:
        report: called with the number of mailboxes created so far.

    Raises:
        BackupError.
    """
    with private_home(settings) as private:
        settings = private.model_copy(update={"shards": settings.shards.model_copy(update={"count": 1})})
        with open_stores(settings) as stores:
            _fill(stores, mailboxes, known, report)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                figures = pool.apply(hold, (settings,))
    return result_of(figures, mailboxes, known)


def result_of(figures: OwnerFigures, mailboxes: int, known: int) -> MailboxesResult:
    """Convert the owner's figures to megabytes in total and kilobytes per mailbox."""
    return MailboxesResult(
        mailboxes=mailboxes,
        known_each=known,
        memory_mb=round(figures.held_bytes / 1e6, 1),
        base_mb=round(figures.base_bytes / 1e6, 1),
        mailbox_kb=round((figures.held_bytes - figures.base_bytes) / max(mailboxes, 1) / 1e3, 2),
        start_s=round(figures.start_s, 2),
        timers=figures.timers,
        tasks=figures.tasks,
        idle_cpu_share=round(figures.idle_cpu_share, 4),
    )


def _fill(stores: Stores, mailboxes: int, known: int, report: Callable[[int], None]) -> None:
    engine = stores.databases.shard_database(stores.shards[_SHARD])
    with transaction(engine) as connection:
        connection.execute(query("bench/mailboxes"), {"shard_id": _SHARD, "mailboxes": mailboxes})
    for first in range(1, mailboxes + 1, _FILL):
        last = min(first + _FILL - 1, mailboxes)
        with transaction(engine) as connection:
            connection.execute(query("bench/messages"), {"first": first, "last": last, "known": known})
        report(last)


def hold(settings: Settings) -> OwnerFigures:
    """Own the shard in this process and measure it when idle. Called in a separate process."""
    import actors.remote.shard  # noqa: F401 - part of an owner's memory, as is Ray
    from actors.owner import ShardOwner
    from actors.tokens import Tokens
    from actors.work import ThreadWork

    process = psutil.Process()

    async def own(stores: Stores) -> OwnerFigures:
        config = stores.config
        owner = ShardOwner(
            _SHARD,
            config,
            ThreadWork(config.gmail, config.archive),
            _NoBroker(),
            stores.control,
            Catalog(stores.databases.shard_database(stores.shards[_SHARD])),
            stores.blobs,
            Tokens(stores.control, stores.sealer, config.gmail),
        )
        base, started = _own_bytes(process), time.monotonic()
        tasks, timers = _of_loop()
        await owner.start()
        start_s = time.monotonic() - started
        cpu, since = process.cpu_times(), time.monotonic()
        await asyncio.sleep(5.0)  # the window of the idle measurement
        used = sum(process.cpu_times()[:2]) - sum(cpu[:2])
        share = used / (time.monotonic() - since)
        tasks_now, timers_now = _of_loop()
        held = _own_bytes(process)
        await owner.close()
        return OwnerFigures(base, held, start_s, timers_now - timers, tasks_now - tasks, share)

    # No Gmail serves these mailboxes, so they must not be polled.
    quiet = settings.shards.poll.model_copy(update={"enabled": False})
    settings = settings.model_copy(update={"shards": settings.shards.model_copy(update={"poll": quiet})})
    with open_stores(settings) as stores:
        return asyncio.run(own(stores))


class _NoBroker:
    """A broker that is never called: idle mailboxes request no units."""

    async def throttled(self, seconds: float) -> None:
        """Gmail has no limit here."""

    async def lease(self, shard_id: int, demand: Demand) -> Grant:  # noqa: ARG002 - the port's signature
        return Grant(0.0)


def _own_bytes(process: psutil.Process) -> int:
    gc.collect()
    own: int = process.memory_full_info().uss
    return own


def _of_loop() -> tuple[int, int]:
    """Tasks and timers of the running loop."""
    timers = getattr(asyncio.get_running_loop(), "_scheduled", ())  # asyncio has no public count
    return len(asyncio.all_tasks()), len(timers)

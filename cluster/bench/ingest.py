"""`gbm bench ingest`: from listing to committed segments, against a simulator in a separate process.

CPU per process comes from the operating system, CPU per stage from the tasks (storage/cpu_timer.py). The stage "worker"
is the remaining CPU of the task processes: Ray's transport of arguments and results, and imports of workers started
during the run. Quota use, rejected calls and pauses are counted by the simulator.
"""

import asyncio
import json
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actors.decisions import Mode
from cluster.bench import figures
from cluster.bench.disk import DiskMeter
from cluster.bench.figures import Working
from cluster.bench.home import private_home
from cluster.bench.processes import OURS, Meter
from cluster.local import local_cluster
from cluster.progress import Progress, Watch, members_of
from cluster.settings import Settings
from cluster.simulator.process import start_simulator
from cluster.stores import Stores
from jobs.gmail.config import GmailConfig
from jobs.gmail.quota_costs import PROFILES, QuotaName
from storage.model.records import User

_POLL_S = 0.2
#: Seconds between two samples of the disk: each reads a few hundred sizes.
_DISK_EVERY_S = 1.0
#: Minimum number of mailboxes backed up before the measurement, so that every worker has started.
_WARM_UP = 8


@dataclass(frozen=True, slots=True)
class IngestPlan:
    """Parameters of a run.

    uneven: mailbox sizes follow a power law. time_scale: a minute of quota lasts 60 / time_scale seconds.
    units_share: the limits of a minute, as a share of the profile's.
    """

    mail: tuple[Path, ...] = ()
    mailboxes: int = 20
    messages: int = 10_000
    quota_profile: QuotaName = "unlimited"
    latency_ms: float = 0.0
    uneven: bool = False
    time_scale: float = 1.0
    units_share: float = 1.0
    shards: int | None = None


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """Use of the quota limits while work remained, counted by the simulator.

    users, project: share of the units allowed by the limits per user, and by the project limit. ceiling: share of the
    units allowed by both, the lower one at any time. throttled: share of calls rejected with 429.
    """

    units: int
    users: float
    project: float
    ceiling: float
    throttled: float


@dataclass(frozen=True, slots=True)
class Fairness:
    """How evenly mailboxes were fetched.

    fair_turn_s: seconds between two fetches of a mailbox if even; longest_idle: the longest wait, in fair turns.
    """

    turns: int
    fair_turn_s: float
    longest_idle_s: float
    longest_idle: float


@dataclass(frozen=True, slots=True)
class IngestResult:
    """Results of one run. `cpu_ms` (by kind of process) and `stages_ms` (of the tasks) are per message.

    disk_bytes: disk of the home when it took the most, by kind; disk_share: that per byte of mail, all mailboxes.
    """

    mailboxes: int
    messages: int
    raw_bytes: int
    seconds: float
    messages_per_s: float
    megabytes_per_s: float
    our_cpu_ms: float
    cpu_ms: dict[str, float]
    stages_ms: dict[str, float]
    peak_memory_mb: dict[str, float]
    our_peak_memory_mb: float
    workers_started: int
    quota_profile: str
    quota: QuotaUse | None
    fairness: Fairness
    segments: int
    stored_bytes: int
    disk_bytes: dict[str, int]
    disk_share: float

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_ingest(settings: Settings, plan: IngestPlan) -> IngestResult:
    """Back up mail, distributed over mailboxes, in a temporary home.

    A few extra mailboxes are backed up first and not measured, because starting a worker costs seconds of CPU.

    Raises:
        BackupError.
    """
    with (
        start_simulator(_simulator_arguments(plan)) as gmail,
        private_home(settings) as private,
    ):
        update: dict[str, object] = {
            "endpoint": gmail,
            "token_uri": f"{gmail}/token",
            "quota_profile": plan.quota_profile,
            "paid_tier": True,
            "quota_time_scale": plan.time_scale,
            **_limits(plan),
        }
        changed: dict[str, object] = {"gmail": settings.gmail.model_copy(update=update)}
        if plan.shards is not None:
            changed["shards"] = settings.shards.model_copy(update={"count": plan.shards})
        changed_settings = private.model_copy(update=changed)
        with local_cluster(changed_settings, lambda _: None, gateway=False) as cluster:
            return _measure(cluster.stores, gmail, plan, changed_settings.gmail)


def _limits(plan: IngestPlan) -> dict[str, int]:
    """Units per minute that replace the profile's limits, in the simulator and in the cluster."""
    profile = PROFILES[plan.quota_profile]
    limits = {
        "units_per_user": profile.units_per_minute_per_user,
        "units_per_project": profile.units_per_minute_per_project,
    }
    return {name: round(units * plan.units_share) for name, units in limits.items() if units is not None}


def _simulator_arguments(plan: IngestPlan) -> list[str]:
    per_mailbox = max(plan.messages // plan.mailboxes, 1)
    return [
        *(f"--mail={path}" for path in plan.mail),
        *([] if plan.mail else [f"--generate={min(plan.messages, 2000)}"]),
        f"--users={plan.mailboxes + _WARM_UP}",
        f"--messages-per-user={per_mailbox}",
        f"--uneven={1.0 if plan.uneven else 0.0}",
        f"--quota-profile={plan.quota_profile}",
        f"--latency-ms={plan.latency_ms}",
        f"--time-scale={plan.time_scale}",
        *(f"--{name.replace('_', '-')}={units}" for name, units in _limits(plan).items()),
    ]


def _measure(stores: Stores, gmail: str, plan: IngestPlan, config: GmailConfig) -> IngestResult:
    from cluster.overview import overview_totals

    users = add_accounts(stores, gmail)
    users, warm_up = users[: plan.mailboxes], users[plan.mailboxes :]
    disk = DiskMeter(stores.home)
    back_up(stores, warm_up, Meter(), disk=disk)
    before, stats_before, spent_before = overview_totals(stores), account_of(gmail), _spent(stores)
    meter = Meter()
    started, started_at = time.monotonic(), time.time()
    look = back_up(stores, users, meter, disk=disk)
    seconds = time.monotonic() - started
    cpu = meter.stop()
    stats, spent, totals = account_of(gmail), _spent(stores), overview_totals(stores)
    working = working_of(stats, started_at, {user.email for user in users})
    stages = {name: used - spent_before[name] for name, used in spent.items() if not name.startswith("tasks:")}
    stages["worker"] = cpu.get("tasks", 0.0) - sum(stages.values())
    return IngestResult(
        mailboxes=len(users),
        messages=look.messages,
        raw_bytes=look.size_bytes,
        seconds=round(seconds, 2),
        messages_per_s=round(look.messages / seconds, 1),
        megabytes_per_s=round(look.size_bytes / seconds / 1e6, 2),
        our_cpu_ms=round(1000 * sum(cpu.get(kind, 0.0) for kind in OURS) / max(look.messages, 1), 4),
        cpu_ms=figures.per_message_ms(cpu, look.messages),
        stages_ms=figures.per_message_ms(stages, look.messages),
        peak_memory_mb=meter.peak_mb,
        our_peak_memory_mb=meter.peak_total_mb,
        workers_started=meter.started,
        quota_profile=plan.quota_profile,
        quota=quota_use(config, working, stats_before, stats),
        fairness=fairness(working, int(spent["tasks:fetch"] - spent_before["tasks:fetch"])),
        segments=totals["segments"] - before["segments"],
        stored_bytes=totals["stored_bytes"] - before["stored_bytes"],
        disk_bytes=disk.peak,
        disk_share=figures.share(sum(disk.peak.values()), totals["size_bytes"]),
    )


def working_of(stats: Mapping[str, Any], started_at: float, emails: set[str]) -> list[Working]:
    """The working time of each mailbox, from the simulator's counts; all syncs were requested at `started_at`."""
    return [
        Working(
            start_s=started_at,
            end_s=gets["last_at"],
            idle_s=max(gets["first_at"] - started_at, gets["longest_pause_s"]),
            units=stats["units_by_user"][email],
        )
        for email, gets in stats["gets_by_user"].items()
        if email in emails
    ]


def quota_use(
    config: GmailConfig, working: Sequence[Working], before: Mapping[str, Any], after: Mapping[str, Any]
) -> QuotaUse | None:
    """Use of the limits; None if the profile has no limits."""
    limits = config.quota
    if limits.units_per_minute_per_user is None or limits.units_per_minute_per_project is None:
        return None
    per_user = limits.units_per_minute_per_user / config.quota_minute_s
    per_project = limits.units_per_minute_per_project / config.quota_minute_s
    units = sum(span.units for span in working)
    refused = sum(after["refused"].values()) - sum(before["refused"].values())
    answered = sum(after["answered"].values()) - sum(before["answered"].values())
    return QuotaUse(
        units=units,
        users=figures.share(units, figures.users_units(working, per_user)),
        project=figures.share(units, figures.busy_seconds(working) * per_project),
        ceiling=figures.share(units, figures.ceiling_units(working, per_user, per_project)),
        throttled=figures.share(refused, refused + answered),
    )


def fairness(working: Sequence[Working], turns: int) -> Fairness:
    """Compute the fairness of `turns` fetches."""
    fair, idle = figures.fair_turn_s(working, turns), figures.longest_idle_s(working)
    return Fairness(turns, round(fair, 3), round(idle, 3), figures.share(idle, fair))


def add_accounts(stores: Stores, gmail: str) -> list[User]:
    """Add every mailbox of the simulator as an account."""
    return [
        stores.add_account(entry["email"], _get(f"{gmail}/_sim/users/{entry['email']}/authorized-user"))
        for entry in json.loads(_get(f"{gmail}/_sim/users"))
    ]


def back_up(
    stores: Stores, users: Sequence[User], meter: Meter, mode: Mode = Mode.FULL, disk: DiskMeter | None = None
) -> Progress:
    """Request a sync of these mailboxes and wait until all have ended."""
    watch = Watch(stores, members_of(stores, users))
    asyncio.run(_request(users, mode))
    disk_at = time.monotonic()
    while not (look := watch.look()).ended:
        meter.sample()
        if disk is not None and time.monotonic() >= disk_at:
            disk.sample()
            disk_at = time.monotonic() + _DISK_EVERY_S
        time.sleep(_POLL_S)
    if disk is not None:
        disk.sample()
    return look


async def _request(users: Sequence[User], mode: Mode) -> None:
    from actors.remote.client import ShardClient

    client = ShardClient(timeout_s=60.0)
    await asyncio.gather(*(client.request(user, mode) for user in users))


def _spent(stores: Stores) -> dict[str, float]:
    """CPU seconds by stage, summed over the tasks of all shards."""
    from actors.remote.client import ShardClient

    async def ask() -> list[dict[str, float]]:
        client = ShardClient(timeout_s=60.0)
        return await asyncio.gather(*(client.spent(shard_id) for shard_id in stores.shards))

    spent: dict[str, float] = defaultdict(float)
    for counts in asyncio.run(ask()):
        for name, used in counts.items():
            spent[name] += used
    return spent


def account_of(gmail: str) -> dict[str, Any]:
    """The simulator's counters."""
    stats: dict[str, Any] = json.loads(_get(f"{gmail}/_sim/stats"))
    return stats


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own simulator, on loopback
        content: bytes = answer.read()
        return content

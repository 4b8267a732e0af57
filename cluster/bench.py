"""`gbm bench ingest`: from listing to committed segments, against a simulator in a process of its own.

CPU is that of our processes alone (owners, tasks, PostgreSQL), read from the operating system before and after; the
simulator's and Ray's own (scheduler, dashboard) are shown apart.
"""

import asyncio
import json
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from actors.decisions import Mode
from cluster.local import local_cluster
from cluster.progress import Progress, Watch
from cluster.settings import Settings
from cluster.simulator.process import start_simulator
from cluster.stores import Stores
from jobs.gmail.quota_costs import PROFILES, QuotaName
from storage.records import User

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What one run measured. `cpu_ms`: per message, by kind of process."""

    mailboxes: int
    messages: int
    raw_bytes: int
    seconds: float
    messages_per_s: float
    megabytes_per_s: float
    cpu_ms: dict[str, float]
    our_cpu_ms: float
    peak_memory_mb: dict[str, float]
    quota_profile: str
    quota_used: float | None
    segments: int
    stored_bytes: int

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def bench_ingest(
    settings: Settings, mail: Sequence[Path], mailboxes: int, messages: int, quota_profile: QuotaName, latency_ms: float
) -> IngestResult:
    """Back up `messages` of mail, dealt to `mailboxes`, in a home of its own that is removed afterwards.

    One more mailbox is backed up first, unmeasured: starting a worker costs seconds of CPU, once.

    Raises:
        BackupError.
    """
    each = max(messages // mailboxes, 1)
    source = [*(f"--mail={path}" for path in mail), *([] if mail else [f"--generate={min(messages, 2000)}"])]
    shape = [f"--users={mailboxes + 1}", f"--messages-per-user={each}"]
    behaviour = [f"--quota-profile={quota_profile}", f"--latency-ms={latency_ms}"]
    with (
        start_simulator([*source, *shape, *behaviour]) as gmail,
        tempfile.TemporaryDirectory(prefix="gbm-bench-", ignore_cleanup_errors=True) as folder,
    ):
        update = {"endpoint": gmail, "token_uri": f"{gmail}/token", "quota_profile": quota_profile}
        settings = settings.model_copy(update={"home": Path(folder), "gmail": settings.gmail.model_copy(update=update)})
        with local_cluster(settings, lambda _: None, gateway=False) as cluster:
            return _measure(cluster.stores, gmail)


def _measure(stores: Stores, gmail: str) -> IngestResult:
    from cluster.overview import overview_totals

    users = [
        stores.add_account(entry["email"], _get(f"{gmail}/_sim/users/{entry['email']}/authorized-user"))
        for entry in json.loads(_get(f"{gmail}/_sim/users"))
    ]
    _back_up(stores, users[:1], _Meter())  # the workers are up and have imported everything
    users = users[1:]
    before = overview_totals(stores)
    meter = _Meter()
    started = time.monotonic()
    look = _back_up(stores, users, meter)
    seconds = time.monotonic() - started
    cpu = meter.stop()
    per_minute = PROFILES[stores.config.gmail.quota_profile].units_per_minute_per_user
    allowed = per_minute * len(users) * seconds / 60 if per_minute else None
    totals = overview_totals(stores)
    per_message = {kind: round(1000 * used / max(look.messages, 1), 4) for kind, used in cpu.items()}
    ours = sum(used for kind, used in per_message.items() if kind in ("owners", "tasks"))
    return IngestResult(
        mailboxes=len(users),
        messages=look.messages,
        raw_bytes=look.size_bytes,
        seconds=round(seconds, 2),
        messages_per_s=round(look.messages / seconds, 1),
        megabytes_per_s=round(look.size_bytes / seconds / 1e6, 2),
        cpu_ms=per_message,
        our_cpu_ms=round(ours, 4),
        peak_memory_mb=meter.peak_mb,
        quota_profile=stores.config.gmail.quota_profile,
        quota_used=round(look.units / allowed, 4) if allowed else None,
        segments=totals["segments"] - before["segments"],
        stored_bytes=totals["stored_bytes"] - before["stored_bytes"],
    )


def _back_up(stores: Stores, users: Sequence[User], meter: "_Meter") -> Progress:
    watch = Watch(stores, users)
    asyncio.run(_request(users))
    while not (look := watch.look()).ended:
        meter.sample()
        time.sleep(_POLL_S)
    return look


async def _request(users: Sequence[User]) -> None:
    from actors.remote import ShardClient

    client = ShardClient(timeout_s=60.0)
    await asyncio.gather(*(client.request(user, Mode.FULL) for user in users))


class _Meter:
    """CPU seconds and resident memory of this process's descendants, by kind, from construction to `stop`."""

    def __init__(self) -> None:
        self._before: dict[int, float] = {}
        self._latest: dict[int, tuple[str, float]] = {}
        self.peak_mb: dict[str, float] = {}
        self.sample()
        self._before = {pid: used for pid, (_, used) in self._latest.items()}

    def sample(self) -> None:
        """Look at every process; one that ends keeps its last figure."""
        memory: dict[str, float] = defaultdict(float)
        for process in psutil.Process().children(recursive=True):
            try:
                with process.oneshot():
                    times, kind = process.cpu_times(), _kind(process)
                    memory[kind] += process.memory_info().rss / 1e6
            except psutil.Error:
                continue
            self._latest[process.pid] = (kind, times.user + times.system)
        for kind, used in memory.items():
            self.peak_mb[kind] = round(max(used, self.peak_mb.get(kind, 0.0)), 1)

    def stop(self) -> dict[str, float]:
        """CPU seconds by kind."""
        self.sample()
        cpu: dict[str, float] = defaultdict(float)
        for pid, (kind, used) in self._latest.items():
            cpu[kind] += used - self._before.get(pid, 0.0)
        return dict(cpu)


def _kind(process: psutil.Process) -> str:
    title = " ".join(process.cmdline())
    if "cluster.simulator" in title:
        return "simulator"
    if title.startswith("postgres") or process.name() == "postgres":
        return "postgres"
    if "ray::_ShardHost" in title or "ray::_BrokerHost" in title:
        return "owners"
    if title.startswith("ray::") and "Dashboard" not in title:
        return "tasks"
    return "ray"


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own simulator, on loopback
        content: bytes = answer.read()
        return content

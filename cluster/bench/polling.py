"""`gbm bench mailboxes --poll`: the cost of polling many unchanged mailboxes.

A local cluster backs them up first, unmeasured; then an incremental sync of all is requested at once.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.decisions import Mode
from cluster.bench.home import private_home
from cluster.bench.ingest import account_of, add_accounts, back_up
from cluster.bench.processes import OURS, Meter
from cluster.local import local_cluster
from cluster.settings import Settings
from cluster.simulator.process import start_simulator
from cluster.stores import Stores

#: Messages per mailbox; the cost of polling an unchanged mailbox does not depend on it.
_EACH = 2


@dataclass(frozen=True, slots=True)
class PollResult:
    """Cost of one poll per mailbox. `units_each`: 2 is one call of history.list; `files`: files written."""

    mailboxes: int
    seconds: float
    mailboxes_per_s: float
    units_each: float
    files: int
    cpu_ms_each: float

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        return asdict(self)


def bench_poll(settings: Settings, mailboxes: int) -> PollResult:
    """Poll unchanged mailboxes once, in a temporary home.

    Raises:
        BackupError.
    """
    mail = [f"--generate={min(mailboxes, 500)}", f"--users={mailboxes}", f"--messages-per-user={_EACH}"]
    with (
        start_simulator([*mail, "--quota-profile=unlimited"]) as gmail,
        private_home(settings) as private,
    ):
        update = {"endpoint": gmail, "token_uri": f"{gmail}/token", "quota_profile": "unlimited"}
        quiet = settings.shards.poll.model_copy(update={"enabled": False})  # measure only the requested sync
        changed: dict[str, object] = {
            "gmail": settings.gmail.model_copy(update=update),
            "shards": settings.shards.model_copy(update={"poll": quiet}),
        }
        with local_cluster(private.model_copy(update=changed), lambda _: None, gateway=False) as cluster:
            return _measure(cluster.stores, gmail)


def _measure(stores: Stores, gmail: str) -> PollResult:
    users = add_accounts(stores, gmail)
    back_up(stores, users, Meter())
    units, files = account_of(gmail)["units"], _files(stores)
    meter = Meter()
    started = time.monotonic()
    back_up(stores, users, meter, Mode.INCREMENTAL)
    seconds = time.monotonic() - started
    cpu = meter.stop()
    units = account_of(gmail)["units"] - units
    return PollResult(
        mailboxes=len(users),
        seconds=round(seconds, 2),
        mailboxes_per_s=round(len(users) / seconds, 1),
        units_each=round(units / len(users), 3),
        files=_files(stores) - files,
        cpu_ms_each=round(1000 * sum(cpu.get(kind, 0.0) for kind in OURS) / len(users), 3),
    )


def _files(stores: Stores) -> int:
    archive = Path(stores.config.archive.uri.removeprefix("file://"))
    return sum(path.is_file() for path in archive.rglob("*"))

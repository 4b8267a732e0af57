"""`gbm bench failover`: seconds from the loss of a shard's owner until the next commit of that shard.

Mail arrives all the time and is polled often, so that an owner always has something to commit. An owner is killed
(SIGKILL), or stopped (SIGSTOP) as if it hung; the measurement ends when the shard's database has a segment of a later
epoch than the one that was lost. Every round waits for that of the next.
"""

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median

from sqlalchemy import text

from cluster.bench.home import private_home
from cluster.bench.ingest import add_accounts, back_up
from cluster.bench.processes import Meter
from cluster.local import local_cluster
from cluster.settings import Settings
from cluster.simulator.process import start_simulator
from cluster.stores import Stores
from storage.db.engines import transaction
from storage.errors import BackupError

_SHARDS = 2
#: Seconds between two messages of a mailbox, between two polls of it, and between two looks for a commit.
_ARRIVAL_S, _POLL_S, _LOOK_S = 0.2, 0.3, 0.02
#: Seconds without a commit after which the measurement is given up.
_LONGEST_S = 180.0
#: Kinds of loss, and the signal of each.
_KINDS = {"killed": signal.SIGKILL, "hung": signal.SIGSTOP}


class NoFailover(BackupError):
    """No owner committed after one was lost. Look for the reason in the owners' logs, then repeat the measurement."""

    def __init__(self, kind: str, shard_id: int) -> None:
        super().__init__(kind, shard_id)
        self.kind, self.shard_id = kind, shard_id

    def __str__(self) -> str:
        return (
            f"Shard {self.shard_id} had no commit within {_LONGEST_S:.0f} s after its owner was {self.kind}: "
            "see the logs of its owners."
        )


@dataclass(frozen=True, slots=True)
class Failovers:
    """Losses of one kind. seconds: of each round, in order."""

    kind: str
    seconds: tuple[float, ...]

    @property
    def p50_s(self) -> float:
        """The median."""
        return median(self.seconds)

    @property
    def worst_s(self) -> float:
        """The longest."""
        return max(self.seconds)


@dataclass(frozen=True, slots=True)
class FailoverResult:
    """The measured failovers. hung_after_s: seconds of silence after which an owner is replaced."""

    hung_after_s: float
    kinds: tuple[Failovers, ...]

    def as_json(self) -> dict[str, object]:
        """The JSON document of `--json`."""
        kinds = [{**asdict(each), "p50_s": each.p50_s, "worst_s": each.worst_s} for each in self.kinds]
        return {"hung_after_s": self.hung_after_s, "kinds": kinds}


def bench_failover(settings: Settings, rounds: int, report: Callable[[int], None]) -> FailoverResult:
    """Lose an owner so many times by each kind.

    Args:
        report: called with the number of finished rounds.

    Raises:
        NoFailover, BackupError.
    """
    arguments = ["--generate=200", "--users=4", "--quota-profile=unlimited"]
    with start_simulator(arguments) as gmail, private_home(settings) as private:
        poll = private.shards.poll.model_copy(update={"shortest_s": _POLL_S, "longest_s": _POLL_S, "growth": 1.0})
        changed = {
            "gmail": private.gmail.model_copy(
                update={"endpoint": gmail, "token_uri": f"{gmail}/token", "quota_profile": "unlimited"}
            ),
            "shards": private.shards.model_copy(update={"count": _SHARDS, "poll": poll}),
            "archive": private.archive.model_copy(update={"segment_age_s": 0.2}),
        }
        settings = private.model_copy(update=changed)
        with local_cluster(settings, lambda _: None, gateway=False) as cluster:
            users = add_accounts(cluster.stores, gmail)
            back_up(cluster.stores, users, Meter())
            done, kinds = 0, []
            with _arriving(gmail, [user.email for user in users]):
                for kind in _KINDS:
                    seconds = []
                    for number in range(rounds):
                        seconds.append(round(_lose(cluster.stores, kind, number % _SHARDS), 2))
                        done += 1
                        report(done)
                    kinds.append(Failovers(kind, tuple(seconds)))
    return FailoverResult(settings.ray.hung_after_s, tuple(kinds))


def _lose(stores: Stores, kind: str, shard_id: int) -> float:
    """Lose the owner of a shard; seconds until a later one has committed."""
    import ray

    from actors.remote.names import NAMESPACE

    owner = ray.get_actor(f"shard:{shard_id}", NAMESPACE)
    process = ray.get(owner.alive.remote(), timeout=_LONGEST_S)
    epoch = _committed(stores, shard_id)
    os.kill(process.pid, _KINDS[kind])
    lost_at = time.monotonic()
    _next_commit(stores, kind, shard_id, epoch)
    return time.monotonic() - lost_at


def _next_commit(stores: Stores, kind: str, shard_id: int, epoch: int) -> int:
    """Wait for a segment of a later epoch; that epoch."""
    deadline = time.monotonic() + _LONGEST_S
    while (found := _committed(stores, shard_id)) <= epoch:
        if time.monotonic() > deadline:
            raise NoFailover(kind, shard_id)
        time.sleep(_LOOK_S)
    return found


def _committed(stores: Stores, shard_id: int) -> int:
    """The newest epoch that a segment of the shard was committed under."""
    with transaction(stores.databases.shard_database(stores.control.shards()[shard_id])) as connection:
        found = connection.execute(
            text("SELECT max(epoch) FROM segments WHERE shard_id = :shard_id"), {"shard_id": shard_id}
        ).scalar()
    return int(found or 0)


@contextmanager
def _arriving(gmail: str, emails: list[str]) -> Iterator[None]:
    """Have a message arrive in each mailbox again and again."""
    ended = threading.Event()

    def arrive() -> None:
        number = 0
        while not ended.wait(_ARRIVAL_S):
            for email in emails:
                number += 1
                body = f"Subject: {number}\r\nMessage-ID: <{number}@bench>\r\n\r\n{number}\r\n".encode()
                with urllib.request.urlopen(f"{gmail}/_sim/users/{email}/messages", body, timeout=30) as answer:  # noqa: S310 - our own simulator
                    json.loads(answer.read())

    thread = threading.Thread(target=arrive, name="arriving-mail", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

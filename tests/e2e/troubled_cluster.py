"""A cluster in trouble, and what a person sees of it: for tests/e2e/test_stalls.py."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from cluster import session
from cluster.gateway_watch import fault_of
from cluster.home import Home
from cluster.orphan_processes import MARK
from cluster.settings import load
from cluster.simulator.process import SimulatorProcess
from cluster.stores import open_stores
from tests.e2e.chaos.comparison import differences, stored_twice, wrong_bytes
from tests.e2e.chaos.life import Life
from tests.e2e.processes import gbm, wait_for
from tests.e2e.relay import Relay
from tests.e2e.test_demo import get


@dataclass
class Stage:
    """The cluster, its Gmail, and the folder of its archive."""

    home: Path
    env: Mapping[str, str]
    gmail: SimulatorProcess
    archive: Path
    relay: Relay

    @property
    def emails(self) -> list[str]:
        return [user["email"] for user in get(f"{self.gmail.url}/_sim/users")]

    def status(self) -> dict[str, Any]:
        done = gbm("status", "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.env['GBM_SERVE__PORT']}"

    @property
    def log(self) -> str:
        """What the cluster has logged."""
        return (Home(self.home).logs / "cluster.log").read_text(errors="replace")

    def answers(self) -> bool:
        """Whether the gateway does, within seconds."""
        return fault_of(self.api) is None

    def waits(self) -> list[dict[str, Any]]:
        """Why shards and mailboxes wait."""
        state = self.status()
        return [wait for each in (*state["shards"], *state["mailboxes"]) for wait in each["waits"]]

    def arrive(self, count: int) -> None:
        """So many new messages in every mailbox."""
        life = Life(self.gmail.url, 0)
        for email in life.emails:
            for number in range(count):
                life.ask(f"users/{email}/messages", f"Subject: {number}\r\n\r\n{os.urandom(400).hex()}\r\n".encode())

    def equal(self) -> None:
        """The archive has what Gmail has: ids, labels, bytes, each once."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.env.items():
                patch.setenv(name, value)
            with open_stores(load()) as stores:
                life = Life(self.gmail.url, 0)
                users = [stores.control.user(email) for email in life.emails]
                assert [error for user in users for error in differences(stores, life, user)] == []
                assert [error for user in users for error in wrong_bytes(stores, life, user)] == []
                assert stored_twice(stores, self.archive) == []


class Waiting:
    """A `gbm backfill --wait` in the background."""

    def __init__(self, env: Mapping[str, str], *arguments: str) -> None:
        self._notes = tempfile.NamedTemporaryFile("w+", suffix=".txt")  # noqa: SIM115 - closed in `end`
        command = [sys.executable, "-m", "cluster.main", "backfill", "--all", "--wait", *arguments]
        self.process = subprocess.Popen(
            command, env=dict(env), stdout=subprocess.DEVNULL, stderr=self._notes, stdin=subprocess.DEVNULL
        )

    @property
    def notes(self) -> str:
        return " ".join(Path(self._notes.name).read_text(errors="replace").split())

    def sees(self, text: str, timeout_s: float) -> float:
        """Wait until a person reads it; the seconds that took."""
        began = time.monotonic()
        wait_for(lambda: text in self.notes or self.process.poll() is not None, f"{text}: {self.notes}", timeout_s)
        assert text in self.notes, self.notes
        return time.monotonic() - began

    def end(self) -> None:
        assert self.process.wait(300) == 0, self.notes


def connect(stage: Stage) -> None:
    for email in stage.emails:
        grant = stage.home / f"{email}.json"
        grant.write_text(json.dumps(get(f"{stage.gmail.url}/_sim/users/{email}/authorized-user")))
        assert gbm("accounts", "add", email, "--authorized-user", str(grant), env=stage.env).returncode == 0


@contextmanager
def stopped(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        if psutil.pid_exists(process):
            os.kill(process, signal.SIGCONT)


def actors_named(home: Path, title: str) -> list[psutil.Process]:
    """The processes of a cluster's actors whose class is so named."""
    return processes(lambda process: title in line(process) and process.environ().get(MARK) == str(home))


def gone(process: psutil.Process) -> bool:
    """Whether it has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def stored(stage: Stage) -> list[int]:
    return [mailbox["messages"] for mailbox in stage.status()["mailboxes"]]


def epochs_of(stage: Stage) -> dict[int, int]:
    return {shard["shard_id"]: shard["epoch"] for shard in stage.status()["shards"]}


def backends(home: Path) -> list[psutil.Process]:
    def ours(process: psutil.Process) -> bool:
        title, parent = line(process), process.parent()
        return title.startswith("postgres: ") and "gbm" in title and parent is not None and str(home) in line(parent)

    return processes(ours)


def line(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def processes(chosen: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if chosen(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


#: A foreign program that joins a cluster and takes all logical CPUs that are free, until its input ends.
_GREEDY = """
import sys, ray
ray.init(sys.argv[1], namespace="foreign", log_to_driver=False)
@ray.remote
class Greedy:
    def taken(self):
        return True
free = ray.available_resources()["CPU"]
greedy = Greedy.options(num_cpus=free).remote()
assert ray.get(greedy.taken.remote())
print(free, flush=True)
sys.stdin.read()
"""


@contextmanager
def all_workers_taken(stage: Stage) -> Iterator[None]:
    """Another program has all logical CPUs in this block."""
    home = Home(stage.home)
    env = {**stage.env, **session.environment(home)}
    command = [sys.executable, "-c", _GREEDY, str(home.recorded()["ray"])]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as greedy:
        assert greedy.stdin is not None and greedy.stdout is not None
        try:
            assert float(greedy.stdout.readline()) > 0
            yield
        finally:
            greedy.stdin.close()
            assert greedy.wait(60) == 0

"""A cluster in trouble: what a person sees within seconds, and that all mail is there in the end.

One cluster of two shards, whose archive lies on a small file system of its own, goes through everything.
"""

import json
import os
import shutil
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

from cluster.orphan_processes import MARK
from cluster.settings import load
from cluster.simulator.process import SimulatorProcess, start_simulator
from cluster.stores import open_stores
from tests.conftest import private_home
from tests.e2e.chaos.comparison import differences, stored_twice, wrong_bytes
from tests.e2e.chaos.life import Life
from tests.e2e.processes import environment, gbm, wait_for
from tests.e2e.test_demo import get

#: Seconds within which a person sees why nothing happens, on a machine that does other things, too.
_SEEN_S = 8.0
_RESERVE = 8 << 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system"),
]


@dataclass
class Stage:
    """The cluster, its Gmail, and the folder of its archive."""

    home: Path
    env: Mapping[str, str]
    gmail: SimulatorProcess
    archive: Path

    @property
    def emails(self) -> list[str]:
        return [user["email"] for user in get(f"{self.gmail.url}/_sim/users")]

    def status(self) -> dict[str, Any]:
        done = gbm("status", "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

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


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    home = private_home()
    archive = home / "small"
    archive.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", str(archive)]).returncode:
        pytest.skip("this account may not mount a file system")
    options = ["--generate=1200", "--users=2", "--quota-profile=unlimited", "--latency-ms=40"]
    gmail = start_simulator(options)
    env = environment(
        home,
        GBM_GMAIL__ENDPOINT=gmail.url,
        GBM_GMAIL__TOKEN_URI=f"{gmail.url}/token",
        GBM_ARCHIVE__URI=archive.as_uri(),
        GBM_ARCHIVE__RESERVE_BYTES=str(_RESERVE),
        GBM_ARCHIVE__SEGMENT_MESSAGES="50",
        GBM_SHARDS__COUNT="2",
        GBM_SHARDS__FETCH_SIZE="20",
        GBM_ANALYSIS__ENABLED="false",
    )
    stage = Stage(home, env, gmail, archive)
    try:
        up = gbm("up", env=env)
        assert up.returncode == 0, up.stderr
        _connect(stage)
        yield stage
    finally:
        os.kill(gmail.process.pid, signal.SIGCONT)
        gbm("down", env=env)
        gmail.close()
        subprocess.run(["umount", "-l", str(archive)], check=False)
        shutil.rmtree(home, ignore_errors=True)


def _connect(stage: Stage) -> None:
    for email in stage.emails:
        grant = stage.home / f"{email}.json"
        grant.write_text(json.dumps(get(f"{stage.gmail.url}/_sim/users/{email}/authorized-user")))
        assert gbm("accounts", "add", email, "--authorized-user", str(grant), env=stage.env).returncode == 0


@contextmanager
def _stopped(process: int) -> Iterator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        if psutil.pid_exists(process):
            os.kill(process, signal.SIGCONT)


def _owners(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if "_ShardHost" in " ".join(process.cmdline()) and process.environ().get(MARK) == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _stored(stage: Stage) -> list[int]:
    return [mailbox["messages"] for mailbox in stage.status()["mailboxes"]]


def test_an_owner_that_hangs_is_seen_and_replaced_and_the_other_shard_goes_on(stage: Stage) -> None:
    epochs = {shard["shard_id"]: shard["epoch"] for shard in stage.status()["shards"]}
    waiting = Waiting(stage.env)
    wait_for(lambda: sum(_stored(stage)) > 0, "the first mail is stored", 120)
    hung = _owners(stage.home)[0]
    hung.suspend()
    stopped = time.monotonic()

    waiting.sees("owner_silent", 20)
    seen_s = time.monotonic() - stopped
    wait_for(lambda: _epochs(stage) != epochs, "the next owner takes the lease", 90)
    replaced_s = time.monotonic() - stopped
    waiting.end()

    assert seen_s < _SEEN_S and replaced_s < 60
    assert not hung.is_running() or hung.status() == psutil.STATUS_ZOMBIE, "the stale owner was killed"
    assert sum(_epochs(stage).values()) == sum(epochs.values()) + 1, "the other shard kept its owner"
    stage.equal()


def _epochs(stage: Stage) -> dict[int, int]:
    return {shard["shard_id"]: shard["epoch"] for shard in stage.status()["shards"]}


def test_a_gmail_that_stalls_is_named_and_the_wait_ends_in_time_with_the_reason(stage: Stage) -> None:
    stage.arrive(5)
    with _stopped(stage.gmail.process.pid):
        waiting = Waiting(stage.env, "--timeout", "40")
        waiting.sees("gmail_unreachable", 60)
        state = stage.status()
        assert any(wait["kind"] == "gmail_unreachable" for box in state["mailboxes"] for wait in box["waits"]), state
        assert all(box["error"] for box in state["mailboxes"] if box["waits"])
        assert waiting.process.wait(60) != 0
        assert "has not ended after 40 s" in waiting.notes and "gmail_unreachable" in waiting.notes.split("after 40")[1]

    assert gbm("backfill", "--all", "--wait", env=stage.env).returncode == 0
    stage.equal()
    assert not any(box["waits"] for box in stage.status()["mailboxes"])


def test_a_disk_that_is_full_is_named_before_it_is_and_work_goes_on_by_itself(stage: Stage) -> None:
    filler = stage.archive / "filler"
    free = shutil.disk_usage(stage.archive).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - _RESERVE // 2)
    stage.arrive(5)
    waiting = Waiting(stage.env)

    waiting.sees("disk_full", 60)
    state = stage.status()
    assert any(wait["kind"] == "disk_full" for shard in state["shards"] for wait in shard["waits"]), state
    assert shutil.disk_usage(stage.archive).free > 0
    filler.unlink()
    waiting.end()

    assert "continues" in waiting.notes
    stage.equal()


def test_a_wait_outlasts_a_postgres_that_restarts(stage: Stage) -> None:
    stage.arrive(60)
    waiting = Waiting(stage.env)
    wait_for(lambda: _backends(stage.home) != [], "PostgreSQL serves somebody", 30)
    for backend in _backends(stage.home)[:1]:
        backend.kill()  # so the postmaster ends all others and recovers
    waiting.end()

    stage.equal()


def _backends(home: Path) -> list[psutil.Process]:
    def ours(process: psutil.Process) -> bool:
        line = " ".join(process.cmdline())
        parent = process.parent()
        return line.startswith("postgres: ") and "gbm" in line and parent is not None and str(home) in _line(parent)

    return _processes(ours)


def _line(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def _processes(chosen: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if chosen(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_nobody_else_enters_what_runs_and_nothing_of_it_is_left(stage: Stage) -> None:
    folders = [path.parent for path in Path(tempfile.gettempdir()).glob(f"gbm-{os.geteuid()}-*/home")]
    [folder] = [path for path in folders if (path / "home").read_text() == str(stage.home)]
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert (folder / "r").stat().st_mode & 0o007, "Ray no longer opens its folder: then this one is not needed"

    assert gbm("down", env=stage.env).returncode == 0

    assert not folder.exists()


def test_with_all_databases_lost_a_rebuild_knows_everybody_and_fetches_nothing(stage: Stage) -> None:
    """Runs after the cluster has ended, and ends by itself."""
    before = {email: len(get(f"{stage.gmail.url}/_sim/users/{email}/messages")) for email in stage.emails}
    shutil.rmtree(stage.home / "postgres")

    done = gbm("db", "rebuild", "--json", env=stage.env)
    assert done.returncode == 0, done.stderr
    rebuilt = json.loads(done.stdout)
    assert (rebuilt["unnamed"], rebuilt["messages"]) == ([], sum(before.values()))
    _connect(stage)
    assert gbm("up", env=stage.env).returncode == 0
    done = gbm("backfill", "--all", "--wait", "--json", env=stage.env)
    assert done.returncode == 0, done.stderr

    assert json.loads(done.stdout)["messages"] == 0
    assert {box["email"]: box["messages"] for box in stage.status()["mailboxes"]} == before

"""A cluster in trouble: what a person sees within seconds, and that all mail is there in the end.

One cluster of two shards, whose archive lies on a small file system of its own, goes through everything.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cluster.simulator.process import start_simulator
from tests.conftest import private_home
from tests.e2e.processes import environment, gbm, wait_for
from tests.e2e.relay import Relay
from tests.e2e.test_demo import get
from tests.e2e.troubled_cluster import (
    Stage,
    Waiting,
    actors_named,
    all_workers_taken,
    backends,
    connect,
    epochs_of,
    gone,
    stopped,
    stored,
)

#: Seconds within which a person sees why nothing happens, on a machine that does other things, too.
_SEEN_S = 8.0
#: Seconds in which a command starts and its campaign asks Gmail, on such a machine.
_STARTED_S = 20.0
_RESERVE = 8 << 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system"),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    home = private_home()
    archive = home / "small"
    archive.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=700", "tmpfs", str(archive)]).returncode:
        pytest.skip("this account may not mount a file system")
    options = ["--generate=1200", "--users=2", "--quota-profile=unlimited", "--latency-ms=40"]
    gmail = start_simulator(options)
    relay = Relay(int(gmail.url.rpartition(":")[2]))
    url = f"http://127.0.0.1:{relay.port}"
    env = environment(
        home,
        GBM_GMAIL__ENDPOINT=url,
        GBM_GMAIL__TOKEN_URI=f"{url}/token",
        GBM_ARCHIVE__URI=archive.as_uri(),
        GBM_ARCHIVE__RESERVE_BYTES=str(_RESERVE),
        GBM_ARCHIVE__SEGMENT_MESSAGES="50",
        GBM_SHARDS__COUNT="2",
        GBM_SHARDS__FETCH_SIZE="20",
        GBM_ANALYSIS__ENABLED="false",
        GBM_SERVE__SCALE__HEALTH_CHECK_S="4",
        GBM_SERVE__SCALE__HEALTH_TIMEOUT_S="5",
    )
    stage = Stage(home, env, gmail, archive, relay)
    try:
        up = gbm("up", env=env)
        assert up.returncode == 0, up.stderr + stage.log[-4000:]
        connect(stage)
        yield stage
    finally:
        os.kill(gmail.process.pid, signal.SIGCONT)
        gbm("down", env=env)
        relay.close()
        gmail.close()
        subprocess.run(["umount", "-l", str(archive)], check=False)
        shutil.rmtree(home, ignore_errors=True)


def test_an_owner_that_hangs_is_seen_and_replaced_and_the_other_shard_goes_on(stage: Stage) -> None:
    epochs = {shard["shard_id"]: shard["epoch"] for shard in stage.status()["shards"]}
    waiting = Waiting(stage.env)
    wait_for(lambda: sum(stored(stage)) > 0, "the first mail is stored", 120)
    hung = actors_named(stage.home, "_ShardHost")[0]
    hung.suspend()
    stopped = time.monotonic()

    waiting.sees("owner_silent", 20)
    seen_s = time.monotonic() - stopped
    wait_for(lambda: epochs_of(stage) != epochs, "the next owner takes the lease", 90)
    replaced_s = time.monotonic() - stopped
    waiting.end()

    assert seen_s < _SEEN_S and replaced_s < 60
    assert gone(hung), "the stale owner was killed"
    assert sum(epochs_of(stage).values()) == sum(epochs.values()) + 1, "the other shard kept its owner"
    stage.equal()


@pytest.mark.unproven
def test_a_quota_broker_that_hangs_is_seen_and_replaced_and_work_goes_on(stage: Stage) -> None:
    stage.arrive(60)
    [hung] = actors_named(stage.home, "_BrokerHost")
    hung.suspend()
    began = time.monotonic()
    waiting = Waiting(stage.env)

    waiting.sees("broker_silent", 20)
    seen_s = time.monotonic() - began
    state, ready = stage.status(), get(f"{stage.api}/ready")
    waiting.end()
    ended_s = time.monotonic() - began
    wait_for(lambda: not stage.waits(), "the next broker answers", 60)
    replaced_s = time.monotonic() - began

    assert seen_s < _STARTED_S + _SEEN_S and replaced_s < 60, (seen_s, ended_s, replaced_s)
    assert all(wait["kind"] == "broker_silent" for shard in state["shards"] for wait in shard["waits"])
    assert ready["waiting"] == {"broker_silent": 2}
    assert gone(hung), "the stale broker was killed"
    assert [process.pid for process in actors_named(stage.home, "_BrokerHost")] != [hung.pid]
    assert "quota does not answer" in stage.log and "quota answers again" in stage.log
    stage.equal()


@pytest.mark.unproven
def test_a_replica_that_hangs_is_seen_and_replaced_and_the_backup_goes_on(stage: Stage) -> None:
    stage.arrive(20)
    [hung] = actors_named(stage.home, "ServeReplica")
    hung.suspend()
    began = time.monotonic()
    waiting = Waiting(stage.env)

    fault = stage.status()["gateway_fault"]
    waiting.end()
    wait_for(lambda: "The gateway does not answer" in stage.log, "the log says so", 30)
    wait_for(lambda: stage.answers(), "the next replica answers", 120)
    replaced_s = time.monotonic() - began
    with suppress(psutil.NoSuchProcess):
        hung.resume()
    wait_for(lambda: gone(hung), "the stale replica ends when it wakes", 60)

    assert fault and "no answer" in fault
    assert replaced_s < 60
    assert stage.status()["gateway_fault"] is None
    assert all(stage.answers() for _ in range(20)), "the stale replica takes no request"
    wait_for(lambda: "The gateway answers again" in stage.log, "the log says so", 30)
    stage.equal()


@pytest.mark.unproven
def test_workers_that_others_hold_are_named_and_work_goes_on_when_they_are_free(stage: Stage) -> None:
    stage.arrive(5)
    with all_workers_taken(stage):
        began = time.monotonic()
        waiting = Waiting(stage.env)
        waiting.sees("no_worker", 30)
        seen_s = time.monotonic() - began
        state, ready = stage.status(), get(f"{stage.api}/ready")
        assert not any(wait["kind"] == "gmail_unreachable" for box in state["mailboxes"] for wait in box["waits"])
        assert any(wait["kind"] == "no_worker" for box in state["mailboxes"] for wait in box["waits"]), state
        assert ready["waiting"]["no_worker"] >= 1
    waiting.end()

    assert seen_s < _STARTED_S + _SEEN_S, seen_s
    assert "continues" in waiting.notes
    wait_for(lambda: not stage.waits(), "nothing waits any more")
    stage.equal()


def test_a_gmail_that_stalls_is_named_and_the_wait_ends_in_time_with_the_reason(stage: Stage) -> None:
    stage.arrive(5)
    with stopped(stage.gmail.process.pid):
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


def test_a_gmail_that_refuses_connections_is_named_and_work_goes_on_by_itself(stage: Stage) -> None:
    stage.arrive(5)
    with stage.relay.refusing():
        waiting = Waiting(stage.env)
        began = time.monotonic()
        waiting.sees("gmail_unreachable", 60)
        seen_s = time.monotonic() - began
        state, ready = stage.status(), get(f"{stage.api}/ready")
        assert [box["error"] for box in state["mailboxes"] if not box["error"]] == [], state
        assert ready["waiting"] == {"gmail_unreachable": 2}
    waiting.end()

    assert seen_s < _STARTED_S + _SEEN_S
    assert "continues" in waiting.notes
    wait_for(lambda: not stage.waits(), "nothing waits any more")
    stage.equal()


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


def test_a_wait_says_that_postgres_is_away_and_outlasts_it(stage: Stage) -> None:
    stage.arrive(60)

    def seen() -> bool:
        for backend in backends(stage.home)[:1]:
            with suppress(psutil.NoSuchProcess):
                backend.kill()  # so the postmaster ends all others and recovers
        return "database_unreachable" in waiting.notes or waiting.process.poll() is not None

    with stage.relay.refusing():  # so that it does not end before
        waiting = Waiting(stage.env)
        waiting.sees("gmail_unreachable", 60)
        wait_for(seen, f"a person sees it: {waiting.notes}", _SEEN_S)
        assert "database_unreachable" in waiting.notes, waiting.notes
    waiting.end()

    assert "continues" in waiting.notes
    stage.equal()


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
    connect(stage)
    assert gbm("up", env=stage.env).returncode == 0
    done = gbm("backfill", "--all", "--wait", "--json", env=stage.env)
    assert done.returncode == 0, done.stderr

    assert json.loads(done.stdout)["messages"] == 0
    assert {box["email"]: box["messages"] for box in stage.status()["mailboxes"]} == before

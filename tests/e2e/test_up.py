"""A person's own cluster: up, an account, a backfill, a search, the state of things, down."""

import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from cluster.simulator.process import start_simulator
from tests.e2e.processes import environment, gbm, left_running, wait_for
from tests.e2e.test_demo import get


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_in_the_background_backs_up_an_account_until_it_is_told_to_stop(home: Path, tmp_path: Path) -> None:
    with start_simulator(["--generate=150", "--users=2", "--quota-profile=unlimited"]) as gmail, ExitStack() as ended:
        env = environment(
            home,
            GBM_GMAIL__ENDPOINT=gmail,
            GBM_GMAIL__TOKEN_URI=f"{gmail}/token",
            GBM_ARCHIVE__SEGMENT_MESSAGES="20",
            GBM_ANALYSIS__ENABLED="false",
        )
        user, other = get(f"{gmail}/_sim/users")
        email = user["email"]

        ended.callback(gbm, "down", env=env)  # of a test that fails; otherwise it is down already
        up = gbm("up", "--json", env=env)
        assert up.returncode == 0, up.stderr
        assert gbm("up", env=env).returncode == 1, "a second cluster on the same home is refused"
        _add_account(gmail, email, tmp_path, env)

        done = gbm("backfill", email, "--wait", "--json", env=env)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["messages"] == user["messages"]

        found = json.loads(gbm("search", email, "in:anywhere", "--limit", "500", "--json", env=env).stdout)
        assert len(found["items"]) == user["messages"]
        state = json.loads(gbm("status", "--json", env=env).stdout)
        assert state["running"]["api"].endswith(env["GBM_SERVE__PORT"])
        assert all(shard["owned"] for shard in state["shards"])
        [mailbox] = state["mailboxes"]
        assert (mailbox["phase"], mailbox["messages"], mailbox["failed"]) == ("current", user["messages"], 0)

        done = gbm("compact", "--json", env=env)
        assert done.returncode == 0, done.stderr
        merges = [merge for shard in json.loads(done.stdout)["shards"] for merge in shard["merges"]]
        state = json.loads(gbm("status", "--json", env=env).stdout)
        assert sum(shard["segments"] for shard in state["shards"]) == 1
        assert [merge["messages"] for merge in merges[-1:]] in ([], [user["messages"]]), "or it was one segment before"
        assert gbm("compact", "--shard", "99", env=env).returncode == 1
        told = json.loads(gbm("analyze", email, "--json", env=env).stdout)
        assert ([shard["segments"] for shard in told["shards"]], told["job_id"][:8]) == ([1], "analyze-")
        sql = "SELECT count(*) AS n FROM analysis WHERE language.version = 1 AND category.spam_score IS NOT NULL"
        assert json.loads(gbm("sql", email, sql, "--json", env=env).stdout)["items"] == [{"n": user["messages"]}]
        told = json.loads(gbm("analyze", "--all", "--json", env=env).stdout)
        assert ({shard["segments"] for shard in told["shards"]}, told["job_id"]) == ({0}, None), "all is analysed"
        done = gbm("analyze", "--all", "--wait", "--only", "nobody", env=env)
        assert (done.returncode, "There is no analyser 'nobody'" in done.stderr) == (1, True), done.stderr
        found = json.loads(gbm("search", email, "in:anywhere", "--limit", "500", "--json", env=env).stdout)
        assert len(found["items"]) == user["messages"]
        assert (home / "run" / "ray.token").stat().st_mode & 0o077 == 0

        _add_account(gmail, other["email"], tmp_path, env)
        _a_campaign_outlives_its_job(int(json.loads(up.stdout)["pid"]), env)

        assert gbm("accounts", "pause", email, env=env).returncode == 0
        refused = gbm("backfill", email, "--wait", env=env)
        assert f"The backup of {email} is paused" in " ".join(refused.stderr.split())
        assert gbm("accounts", "resume", email, env=env).returncode == 0
        assert gbm("backfill", email, "--wait", env=env).returncode == 0
        down = gbm("down", env=env)
        assert down.returncode == 0, down.stderr
    wait_for(lambda: not left_running(home), f"still running: {left_running(home)}")
    assert gbm("down", env=env).returncode == 1


def _add_account(gmail: str, email: str, folder: Path, env: Mapping[str, str]) -> None:
    grant = folder / f"{email}.json"
    grant.write_text(json.dumps(get(f"{gmail}/_sim/users/{email}/authorized-user")))
    assert gbm("accounts", "add", email, "--authorized-user", str(grant), env=env).returncode == 0


def _a_campaign_outlives_its_job(cluster: int, env: Mapping[str, str]) -> None:
    """Kill a campaign's job before it has asked for anything: another one is submitted, and ends it."""
    assert gbm("backfill", "--all", env=env).returncode == 0
    wait_for(lambda: _jobs(cluster) != [], "the campaign's job starts")
    for process in _jobs(cluster):
        process.kill()

    def newest() -> dict[str, object]:
        campaigns: list[dict[str, object]] = json.loads(gbm("backfill", "--list", "--json", env=env).stdout)
        return campaigns[0]

    wait_for(lambda: newest()["state"] == "complete", f"the campaign ends: {newest()}", timeout_s=180)
    assert (newest()["mailboxes"], newest()["done"]) == (2, 2)
    assert str(newest()["job_id"]).endswith("-2")


def _jobs(cluster: int) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(cluster).children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[1:3] == ["-m", "cluster.campaign"]:
                found.append(process)
    return found

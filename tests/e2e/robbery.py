"""A mailbox that an attacker empties and relabels at the simulator, and `gbm restore` on a running cluster."""

import json
import urllib.request
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from cluster.settings import load
from cluster.stores import open_stores
from storage.db.engines import transaction
from tests.e2e.processes import gbm, wait_for
from tests.e2e.test_demo import get

_ROBBED = 240
_KILLS = (40, 100, 160)
_STORED = "SELECT sha256, labels, thread_id FROM messages WHERE deleted_at IS NULL"


def restored_after_a_robbery(env: Mapping[str, str], home: Path, gmail: str, email: str) -> list[dict[str, Any]]:
    """Rob a mailbox that is backed up, restore it through faults and three SIGKILLs, and back it up again.

    Returns:
        What the simulator holds afterwards, which is what it held before.
    """
    users = f"{gmail}/_sim/users/{email}/messages"
    before: list[dict[str, Any]] = get(users)
    then = datetime.now(UTC).isoformat()
    for number, message in enumerate(before):
        if number < _ROBBED:
            _post(f"{users}/{message['id']}/delete", {})
        elif number < _ROBBED + 60 and not {"SENT", "DRAFT"} & set(message["labels"]):
            _post(f"{users}/{message['id']}/labels", {"add": ["TRASH", "Label_1"], "remove": ["INBOX", "STARRED"]})
    assert gbm("sync", email, "--wait", env=env).returncode == 0
    vanished = gbm("changes", email, "--since", then, "--vanished", "--limit", "500", "--json", env=env)
    assert sum(item["deleted"] is True for item in json.loads(vanished.stdout)["items"]) == _ROBBED

    restore = ("restore", email, "--as-of", then, "--labels")
    foreseen = json.loads(gbm(*restore, "--dry-run", "--json", env=env).stdout)
    assert (foreseen["imported"], foreseen["impossible"]) == (_ROBBED, 0)
    kinds = ["429", "403-userRateLimitExceeded", "500", "503", "cut", "lost"]
    _post(f"{gmail}/_sim/faults", {"rate": 0.05, "kinds": kinds, "latency_ms": 300})
    begun = gbm(*restore, "--no-wait", env=env)
    assert begun.returncode == 0, begun.stderr
    restore_id = str(_listed(env)["id"])
    for done in _KILLS:
        wait_for(partial(_is_back, env, done), f"{done} messages are back", timeout_s=240)
        _kill_job(home)
        assert gbm("restore", "--resume", restore_id, "--no-wait", env=env).returncode == 0
    ended = gbm("restore", "--resume", restore_id, "--json", env=env, timeout_s=600)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["state"], told["done"], told["failed"]) == ("complete", _ROBBED, 0)

    _post(f"{gmail}/_sim/faults", {"rate": 0.0, "latency_ms": 0})
    after: list[dict[str, Any]] = get(users)
    assert _content(after) == _content(before)
    assert _threads(after) == _threads(before)
    assert gbm("sync", email, "--wait", env=env).returncode == 0
    _the_archive_says_the_same(home, email, after)
    return after


def _is_back(env: Mapping[str, str], done: int) -> bool:
    return bool(_listed(env)["done"] >= done)


def _listed(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gbm("restore", "--list", "--json", env=env).stdout)[0]
    return found


def _kill_job(home: Path) -> None:
    """SIGKILL to the processes of the restore's job."""
    killed = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if "cluster.restore_job" in line and str(home) in line:
                process.kill()
                killed.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    assert killed, "the job was at work"
    psutil.wait_procs(killed, timeout=30)


def _the_archive_says_the_same(home: Path, email: str, held: list[dict[str, Any]]) -> None:
    with open_stores(load(home=home)) as stores:
        user = stores.control.user(email)
        with transaction(stores.databases.shard_database(stores.shards[user.shard_id])) as connection:
            rows = connection.execute(text(f"{_STORED} AND user_id = :user_id"), {"user_id": user.user_id}).all()
    stored = [
        {"sha256": bytes(row.sha256).hex(), "labels": sorted(row.labels), "thread": row.thread_id} for row in rows
    ]
    assert _content(stored) == _content(held)
    assert _threads(stored) == _threads(held)


def _content(messages: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    return Counter((message["sha256"], *sorted(message["labels"])) for message in messages)


def _threads(messages: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    threads: dict[Any, list[str]] = {}
    for message in messages:
        threads.setdefault(message["thread"], []).append(message["sha256"])
    return Counter(tuple(sorted(digests)) for digests in threads.values())


def _post(url: str, body: Any) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, data=json.dumps(body).encode()), timeout=60) as answer:
        answer.read()

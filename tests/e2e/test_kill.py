"""SIGKILL of everything, three times during a backfill: the next run completes, nothing lost, nothing twice.

And of a restore's job, three times while it gives a robbed mailbox its mail back.
"""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from cluster.overview import overview_totals
from cluster.settings import load
from cluster.stores import open_stores
from storage.db.engines import transaction
from storage.segments.file_names import ROLLUP_SUFFIX, SUFFIXES
from tests.e2e.processes import Demo, demo, environment, wait_for
from tests.e2e.robbery import restored_after_a_robbery
from tests.e2e.test_demo import get

SEED = 20261122
SEGMENTS = "SELECT name, messages, retired_at IS NULL FROM segments"


def _archived(home: Path) -> int:
    return sum(1 for _ in (home / "archive").rglob("*.raw.zst"))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_backfill_and_a_restore_killed_three_times_lose_nothing_and_do_nothing_twice(
    home: Path, enron: Path | None
) -> None:
    chance = random.Random(SEED)
    source = ["--mail", str(enron)] if enron else ["--messages", "3000"]
    # Small segments and a slow Gmail stretch the backfill, so that a kill falls between many commits.
    env = environment(
        home,
        GBM_ARCHIVE__SEGMENT_MESSAGES="200",
        GBM_ARCHIVE__SEGMENT_AGE_S="0.3",
        GBM_RESTORE__SETTLE_S="1",
        GBM_RESTORE__LANDING_S="2",
    )
    arguments = [*source, "--latency-ms", "150", "--fault-rate", "0.02"]
    stored = []
    for kill in range(3):
        with demo(*arguments, "--exit", env=env, home=home) as running:
            _let_it_work(running, home, more_files=chance.randrange(1, 4))
            if kill == 2:
                _let_it_commit(running, home)
            running.kill()
        stored.append(_archived(home))

    with demo(*arguments, env=env, home=home) as running:
        summary = running.summary()
        held = get(f"{summary['gmail']}/_sim/users/{summary['mailboxes'][0]}/messages")
        assert summary["messages"] == len(held)
        if enron:
            assert len(held) == 4139
        assert 0 < summary["new_messages"] < len(held), "the kills came while it worked, and work was kept"
        _every_raw_message_is_exact(env, summary["api_key"], held)
        _nothing_is_stored_twice_and_no_orphans_are_left(home, len(held))
        after = restored_after_a_robbery(env, home, summary["gmail"], summary["mailboxes"][0])
        _every_raw_message_is_exact(env, summary["api_key"], after)
        assert running.interrupt() == 0


def _let_it_work(running: Demo, home: Path, more_files: int) -> None:
    """Wait until some more segments were written in this run: a random point in the middle of a commit or a write."""
    before = _archived(home)

    def far_enough() -> bool:
        assert running.process.poll() is None, running.notes()
        return _archived(home) >= before + more_files

    wait_for(far_enough, "segments are written", timeout_s=300)


def _let_it_commit(running: Demo, home: Path) -> None:
    """Wait until Postgres has some of the work: the files alone prove nothing."""
    with open_stores(load(home=home)) as stores:

        def committed() -> bool:
            assert running.process.poll() is None, running.notes()
            return overview_totals(stores)["segments"] > 0

        wait_for(committed, "a segment is committed", timeout_s=60)


def _every_raw_message_is_exact(env: dict[str, str], api_key: str, held: list[dict[str, str]]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{env['GBM_SERVE__PORT']}", timeout=60) as client:
        granted = client.post("/api/v1/auth/token", json={"api_key": api_key}).json()
        client.headers["Authorization"] = f"Bearer {granted['access_token']}"

        def exact(message: dict[str, str]) -> bool:
            raw = client.get(f"/api/v1/emails/{message['id']}/raw")
            return hashlib.sha256(raw.content).hexdigest() == message["sha256"]

        with ThreadPoolExecutor(8) as pool:
            wrong = [message["id"] for message, right in zip(held, pool.map(exact, held), strict=True) if not right]
    assert wrong == []


def _nothing_is_stored_twice_and_no_orphans_are_left(home: Path, messages: int) -> None:
    with open_stores(load(home=home)) as stores:
        names: set[str] = set()
        live: set[str] = set()
        analyses: dict[str, bool] = {}
        in_segments = in_index = 0
        for database in range(stores.databases.shard_databases):
            with transaction(stores.databases.shard_database(database)) as connection:
                for name, messages_in_it, is_live in connection.execute(text(SEGMENTS)):
                    names.add(name)
                    if is_live:
                        live.add(name)
                        in_segments += messages_in_it
                in_index += connection.execute(text("SELECT count(*) FROM messages")).scalar_one()
                for name, is_live in connection.execute(text("SELECT name, retired_at IS NULL FROM analyses")):
                    analyses[name] = is_live
    assert in_segments == in_index == messages
    found = [path for path in (home / "archive").rglob("*") if path.is_file()]
    # A roll-up whose record was lost is true all the same, and stays.
    files = {path.relative_to(home / "archive").as_posix() for path in found if path.suffix != ROLLUP_SUFFIX}
    assert files <= {name + suffix for name in names for suffix in SUFFIXES} | analyses.keys()
    assert files >= {name + suffix for name in live for suffix in SUFFIXES}
    assert files >= {name for name, is_live in analyses.items() if is_live}
    assert len([name for name, is_live in analyses.items() if is_live]) == len(live), "every segment is analysed"

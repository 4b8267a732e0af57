"""Twenty mailboxes change while everything that can fail does; when it quiets down, the archive is exactly Gmail's."""

import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.settings import load
from cluster.simulator.process import start_simulator
from cluster.stores import Stores, open_stores
from storage.model.records import Phase, User
from tests.e2e.chaos.comparison import differences, stored_twice, wrong_bytes
from tests.e2e.chaos.killer import KINDS, Killer
from tests.e2e.chaos.life import Life
from tests.e2e.processes import environment, gbm, wait_for

SEED = 20261123
MAILBOXES = 20
CHAOS_S, _LONGEST_S = 75.0, 240.0
#: Seconds between two changes: people are not faster, all together.
_PACE_S = 0.03
FAULTS = ["429", "403-rateLimitExceeded", "403-userRateLimitExceeded", "403-quotaExceeded", "400-failedPrecondition"]
FAULTS += ["500", "503", "cut", "stall"]
#: Quick to notice and to try again: the chaos is minutes, not days.
SETTINGS = {
    "GBM_SHARDS__EVIDENCE__CHECK_DELAY_S": "1",  # two 404s tell a deletion that no history does
    "GBM_GMAIL__STALL_TIMEOUT_S": "2",
    "GBM_GMAIL__QUOTA_PROFILE": "legacy",
    "GBM_GMAIL__BATCH_SIZE": "5",
    "GBM_ARCHIVE__SEGMENT_AGE_S": "1",
    "GBM_SHARDS__LEASE_S": "6",
    "GBM_SHARDS__RETRY": json.dumps({"attempts": 4, "first_delay_s": 0.5, "failed_delay_s": 5, "longest_delay_s": 10}),
    "GBM_SHARDS__POLL": json.dumps({"shortest_s": 3, "longest_s": 10}),
}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_after_the_chaos_the_archive_is_exactly_gmails(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = ["--generate=700", "--hostile", f"--users={MAILBOXES}", "--messages-per-user=40"]
    with start_simulator([*shape, "--quota-profile=legacy", "--empty-history-pages"]) as gmail:
        env = environment(home, GBM_GMAIL__ENDPOINT=gmail, GBM_GMAIL__TOKEN_URI=f"{gmail}/token", **SETTINGS)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        life = Life(gmail, SEED)
        with _cluster(env) as pid, open_stores(load()) as stores:
            users = {email: stores.add_account(email, _grant(life, email)) for email in life.emails}
            killer = Killer(pid, SEED)
            revoked, *others = [users[email] for email in life.emails]
            assert gbm("backfill", "--all", env=env).returncode == 0
            injected = _chaos(life, killer, revoked, others)
            _let_it_quiet_down(stores, life, others)
            report = _report(life, killer, injected)
            with capsys.disabled():
                sys.stdout.write(report)

            assert [error for user in others for error in differences(stores, life, user)] == []
            assert [error for user in users.values() for error in wrong_bytes(stores, life, user)] == []
            assert stored_twice(stores, home / "archive") == []
            _the_revoked_mailbox_is_reported(env, revoked)
            for kind in KINDS:
                assert killer.killed[kind] > 0, f"no {kind} was killed: {report}"
            stats = life.ask("stats")
            assert set(stats["faults"]) == set(FAULTS), report
            assert stats["answered"]["messages.list"] > MAILBOXES + len(life.forgotten) * 10, f"no reconcile: {report}"


@contextmanager
def _cluster(env: Mapping[str, str]) -> Iterator[int]:
    """A cluster in the background; gives its process id."""
    up = gbm("up", "--json", env=env)
    assert up.returncode == 0, up.stderr
    try:
        yield int(json.loads(up.stdout)["pid"])
    finally:
        assert gbm("down", env=env).returncode == 0


def _grant(life: Life, email: str) -> bytes:
    return json.dumps(life.ask(f"users/{email}/authorized-user")).encode()


def _chaos(life: Life, killer: Killer, revoked: User, others: list[User]) -> dict[str, object]:
    """Changes all the time; a kill every few seconds; history forgotten once; a grant revoked.

    On a busy machine it makes fewer calls, so it goes on until every kind of fault came about.
    """
    chance, pace = random.Random(SEED), threading.Event()
    life.misbehave(0.05, FAULTS)
    started = time.monotonic()
    kills = sorted((chance.uniform(3, CHAOS_S), kind) for kind in ("worker",) * 6 + ("shard",) * 3 + ("broker",) * 2)
    life.forgotten = forgotten = [user.email for user in chance.sample(others, 6)]
    expires_at, revokes_at = CHAOS_S * 0.6, CHAOS_S * 0.3
    expired = gone = False
    while (elapsed := time.monotonic() - started) < CHAOS_S or (
        elapsed < _LONGEST_S and set(life.ask("stats")["faults"]) != set(FAULTS)
    ):
        life.go_on()
        pace.wait(_PACE_S)
        while kills and kills[0][0] <= elapsed:
            killer.kill(kills.pop(0)[1])
        if not expired and elapsed > expires_at:
            expired = True
            for email in forgotten:
                life.act(email, "expire-history")
        if not gone and elapsed > revokes_at:
            gone = True
            life.act(revoked.email, "revoke")
            life.act(revoked.email, "expire-access")
    assert expired and gone
    return {"history forgotten of": forgotten, "grant revoked of": revoked.email}


def _let_it_quiet_down(stores: Stores, life: Life, users: list[User]) -> None:
    """The faults end; mailboxes are looked at by themselves until nothing differs any more."""
    life.misbehave(0.0, [])
    different = set(users)

    def over() -> bool:
        for user in sorted(different, key=lambda user: user.user_id):
            state = stores.reader(user).state()
            if state and state.phase is Phase.CURRENT and not differences(stores, life, user):
                different.discard(user)
        return not different

    try:
        wait_for(over, "the archive is Gmail's", timeout_s=180)
    except AssertionError:
        states = [stores.reader(user).state() for user in different]
        shown = [sentence for user in different for sentence in differences(stores, life, user)][:10]
        raise AssertionError([*states, *shown]) from None


def _the_revoked_mailbox_is_reported(env: Mapping[str, str], user: User) -> None:
    status = json.loads(gbm("status", "--json", env=env).stdout)
    [mailbox] = [mailbox for mailbox in status["mailboxes"] if mailbox["email"] == user.email]
    assert mailbox["phase"] == "revoked"
    assert user.email in mailbox["error"] and "gbm accounts" in mailbox["error"]


def _report(life: Life, killer: Killer, injected: Mapping[str, object]) -> str:
    stats = life.ask("stats")
    lines = [
        f"Chaos of {CHAOS_S:.0f} s over {MAILBOXES} mailboxes, seed {SEED}:",
        f"  changes   {dict(life.counts)}",
        f"  faults    {stats['faults']}",
        f"  refused   {stats['refused']}",
        f"  SIGKILL   {dict(killer.killed)}",
        *(f"  {what} {whom}" for what, whom in injected.items()),
        f"  answered  {stats['answered']}",
    ]
    return "\n" + "\n".join(lines) + "\n"

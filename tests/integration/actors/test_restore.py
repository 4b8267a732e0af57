"""A restore over HTTP against the simulator, with real stores and a real owner: faults, lost answers, interruptions."""

import asyncio
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from actors.config import PollConfig, ShardConfig
from actors.decisions import Mode
from actors.owner import ShardOwner
from actors.tokens import Tokens
from cluster.home import Home
from cluster.restore_job import Workshop, work
from cluster.restore_ports import Machine, OwnerQuota, TargetCalls, TargetTokens
from cluster.settings import Settings
from cluster.simulator.process import start_simulator
from cluster.stores import Stores
from jobs.gmail.transport import Transport
from jobs.gmail.writes import GmailWriter
from jobs.restoring.config import RestoreConfig
from storage.control.restore_records import GrantEnded, Restore, RestoreConflict, RestoreState, Selection, TargetBusy
from storage.control.restores import Restores
from storage.db.audit import Audit
from storage.db.engines import transaction
from storage.model.message_id import to_hex
from storage.model.records import User
from tests.integration.actors.conftest import Cluster, Simulator, empty_cluster, until

_RED = {"textColor": "#ffffff", "backgroundColor": "#cc3a21"}


class _Client:
    """`actors.remote.client.ShardClient`, without Ray between."""

    def __init__(self, owner: ShardOwner) -> None:
        self._owner = owner

    async def request(self, user: User, mode: Mode) -> None:
        await self._owner.request(user, mode)

    async def lend(self, user: User, method: str) -> float:
        return self._owner.lend(user.user_id, method)

    async def repaid(self, user: User, method: str) -> None:
        self._owner.repaid(user.user_id, method)

    async def slow_down(self, user: User, scope: str, seconds: float) -> None:
        self._owner.slow_down(user.user_id, scope, seconds)


class Bench:
    """A cluster whose mailboxes can be restored."""

    def __init__(self, cluster: Cluster, owner: ShardOwner, folder: Path) -> None:
        self.cluster, self.owner, self.simulator = cluster, owner, cluster.simulator
        restore = RestoreConfig(settle_s=0.3, attempts=50, landing_s=1.0)
        settings = Settings(home=folder, restore=restore)
        self.stores = Stores(settings, Home(folder), cluster.backup, cluster.databases)
        self.restores = Restores(cluster.databases.control)

    async def sync(self, user: User, mode: Mode = Mode.INCREMENTAL) -> None:
        await self.owner.request(user, mode)
        await self.cluster.quiet(self.owner, user)

    async def work(self, restore: Restore) -> RestoreState:
        """One run of a restore's job."""
        gmail, client = self.cluster.backup.gmail, _Client(self.owner)
        machine, transport, target = Machine(12), Transport(gmail), restore.target
        quota = OwnerQuota(client, target)  # type: ignore[arg-type]
        tokens = TargetTokens(Tokens(self.cluster.control, self.cluster.sealer, gmail), target)
        writer = GmailWriter(gmail, transport, one_request_bytes=20_000, part_bytes=256 * 1024)
        calls = TargetCalls(writer, quota, tokens, machine)
        shop = Workshop(machine, quota, tokens, writer, calls, lambda: client.request(target, Mode.INCREMENTAL))
        try:
            return await work(self.stores, self.restores, restore, shop, restore.runs)
        finally:
            machine.close()
            transport.close()

    async def interrupted(self, restore: Restore, done: int) -> None:
        """A run that ends, without a word, once so many messages have come back."""
        run = asyncio.create_task(self.work(restore))
        while self.restores.get(restore.restore_id).done < done and not run.done():
            await asyncio.sleep(0.01)
        run.cancel()
        await asyncio.wait([run])

    def gmail(self, user: User, method: str, path: str, body: Any = None) -> Any:
        account = self.simulator.ask(f"users/{user.email}/authorized-user")
        form = {name: account[name] for name in ("client_id", "client_secret", "refresh_token")}
        pairs = "&".join(f"{key}={value}" for key, value in {**form, "grant_type": "refresh_token"}.items())
        with urllib.request.urlopen(f"{self.simulator.url}/token", data=pairs.encode()) as answer:
            token = orjson.loads(answer.read())["access_token"]
        url = f"{self.simulator.url}/gmail/v1/users/me/{path}"
        data = None if body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return orjson.loads(answer.read() or b"{}")

    def content(self, user: User) -> Counter[tuple[Any, ...]]:
        """Bytes and labels of every message, by labels' names."""
        names = {label["id"]: label["name"] for label in self.gmail(user, "GET", "labels")["labels"]}
        return Counter(
            (found["sha256"], *sorted(names[label] for label in found["labels"]))
            for found in self.simulator.held(user.email).values()
        )

    def threads(self, user: User) -> Counter[tuple[str, ...]]:
        """Every thread, by the bytes of its messages."""
        threads: dict[str, list[str]] = {}
        for found in self.simulator.held(user.email).values():
            threads.setdefault(found["thread"], []).append(found["sha256"])
        return Counter(tuple(sorted(digests)) for digests in threads.values())


@pytest.fixture
async def bench(cluster: Cluster, tmp_path: Path) -> Bench:
    owner, _ = await cluster.owner()
    return Bench(cluster, owner, tmp_path / "home")


async def test_a_robbed_mailbox_comes_back_as_it_was_through_faults_and_interruptions(
    bench: Bench, simulator: Simulator
) -> None:
    user = bench.cluster.users[0]
    made = bench.gmail(
        user, "POST", "labels", {"name": "Family/Trip", "color": _RED, "labelListVisibility": "labelHide"}
    )
    some = [message_id for number, message_id in enumerate(simulator.held(user.email)) if number % 3 == 0]
    for message_id in some:
        simulator.act(user.email, f"messages/{to_hex(message_id)}/labels", add=[made["id"]])
    await bench.sync(user, Mode.FULL)
    before, threads = bench.content(user), bench.threads(user)
    then = bench.stores.reader(user).present()

    for number, (message_id, found) in enumerate(simulator.held(user.email).items()):
        path = f"messages/{to_hex(message_id)}"
        if number % 2:
            simulator.act(user.email, f"{path}/delete")
        elif not {"SENT", "DRAFT"} & set(found["labels"]):
            simulator.act(user.email, f"{path}/labels", add=["TRASH"], remove=["INBOX", made["id"]])
    bench.gmail(user, "DELETE", f"labels/{made['id']}")
    survivors = set(simulator.held(user.email))
    robbed = sum(before.values()) - len(survivors)

    kinds = ["429", "403-userRateLimitExceeded", "500", "503", "cut", "lost"]
    restore = bench.restores.begin(user, user, Selection(as_of=then, relabel=True), "test")
    simulator.ask("faults", orjson.dumps({"rate": 0.05, "kinds": kinds, "latency_ms": 5}))
    for share in (0.2, 0.5, 0.8):
        await bench.interrupted(restore, int(robbed * share))
        restore = bench.restores.get(restore.restore_id)
    assert await bench.work(restore) is RestoreState.COMPLETE
    simulator.misbehave()

    restored = bench.restores.get(restore.restore_id)
    assert (restored.done, restored.present, restored.failed) == (robbed, len(survivors), 0)
    assert bench.content(user) == before
    assert bench.threads(user) == threads
    assert survivors <= set(simulator.held(user.email)), "nothing is deleted"
    label = next(each for each in bench.gmail(user, "GET", "labels")["labels"] if each["name"] == "Family/Trip")
    assert (label["color"], label["labelListVisibility"]) == (_RED, "labelHide")
    await bench.sync(user)
    assert bench.cluster.differences(user) == {}


async def test_a_mailbox_is_restored_into_another_beside_its_own_mail_once(bench: Bench, simulator: Simulator) -> None:
    ada, bob = bench.cluster.users
    await bench.sync(ada, Mode.FULL)
    await bench.sync(bob, Mode.FULL)
    own, both = bench.content(bob), bench.content(ada) + bench.content(bob)
    own_digests = Counter(key[0] for key in own.elements())

    for _ in range(2):  # the second finds everything there
        restore = bench.restores.begin(ada, bob, Selection(), "test")
        with pytest.raises(TargetBusy):
            bench.restores.begin(ada, bob, Selection(query="x"), "test")
        state = await bench.work(restore)
        bench.restores.end(restore.restore_id, restore.runs, state)

    there = bench.content(bob)
    digests = Counter(key[0] for key in there.elements())
    assert digests == Counter(key[0] for key in both.elements()) - Counter(
        {key: min(own_digests[key], count) for key, count in Counter(k[0] for k in (both - own).elements()).items()}
    )
    again = bench.restores.get(restore.restore_id)
    assert (again.done, again.present) == (0, again.total)
    actions = [entry.action for entry in Audit(bench.cluster.databases.control).entries(limit=1000)]
    assert actions.count("restore.begin") == actions.count("restore.complete") == 2


async def begun(
    bench: Bench, simulator: Simulator, subject: str, messages: int
) -> tuple[Restore, asyncio.Task[RestoreState]]:
    """A restore of so many messages, slow enough to be met at work, and its run, which has restored some."""
    ada, bob = bench.cluster.users
    for number in range(messages):
        raw = f"Subject: {subject}\r\nMessage-ID: <{number}@{subject}>\r\n\r\n"
        simulator.ask(f"users/{ada.email}/messages", raw.encode())
    await bench.sync(ada, Mode.FULL)
    await bench.sync(bob, Mode.FULL)
    simulator.misbehave(latency_ms=100)
    restore = bench.restores.begin(ada, bob, Selection(query=f"subject:{subject}"), "test")
    run = asyncio.create_task(bench.work(restore))

    async def has_restored() -> bool:
        return run.done() or bench.restores.get(restore.restore_id).done > 0

    await until(has_restored)
    return restore, run


async def test_a_run_that_a_newer_one_replaced_imports_nothing_more(bench: Bench, simulator: Simulator) -> None:
    ada, bob = bench.cluster.users
    restore, old = await begun(bench, simulator, "fenced", 40)
    newer = bench.restores.run(restore.restore_id)
    new = asyncio.create_task(bench.work(newer))

    with pytest.raises(RestoreConflict):
        await old
    assert await new is RestoreState.COMPLETE
    there = bench.content(bob)
    wanted = {key[0] for key in bench.content(ada)}
    digests = Counter(key[0] for key in there.elements() if key[0] in wanted)
    fenced = {row.sha256.hex() for row in bench.restores.messages(restore.restore_id)}
    assert {digests[digest] for digest in fenced} == {1}


async def test_a_restore_can_be_paused_resumed_and_cancelled(bench: Bench, simulator: Simulator) -> None:
    restore, run = await begun(bench, simulator, "more", 60)
    bench.restores.pause(restore.restore_id, "test")
    assert await run is RestoreState.PAUSED
    bench.restores.end(restore.restore_id, restore.runs, RestoreState.PAUSED)

    paused = bench.restores.get(restore.restore_id)
    assert 0 < paused.done < paused.total
    assert paused.sent == 0, "calls under way were waited for"
    assert bench.restores.running() == []
    resumed = bench.restores.resume(restore.restore_id, "test")
    assert [each.restore_id for each in bench.restores.running()] == [restore.restore_id]
    simulator.misbehave()
    assert await bench.work(resumed) is RestoreState.COMPLETE
    bench.restores.end(restore.restore_id, restore.runs, RestoreState.COMPLETE)
    with pytest.raises(RestoreConflict):
        bench.restores.cancel(restore.restore_id, "test")


_COUNT, _SCALE = 500, 2.0


@pytest.fixture
async def limited(new_pair: Callable[[], tuple[str, ...]], tmp_path: Path) -> AsyncIterator[Bench]:
    """A mailbox of 500 messages under the standard quota, with minutes of half a minute."""
    options = [f"--generate={_COUNT}", "--users=1", "--quota-profile=standard", f"--time-scale={_SCALE:g}"]
    shard = ShardConfig(poll=PollConfig(enabled=False))
    with start_simulator(options) as url:
        async with empty_cluster(Simulator(url), new_pair, tmp_path, shard) as cluster:
            gmail = cluster.backup.gmail.model_copy(
                update={"quota_profile": "standard", "quota_time_scale": _SCALE, "legacy_ends_on": None}
            )
            cluster.backup = cluster.backup.model_copy(update={"gmail": gmail})
            owner, _ = await cluster.owner()
            yield Bench(cluster, owner, tmp_path / "home")


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
async def test_a_restore_under_the_standard_quota_with_faults_creates_each_message_once(limited: Bench) -> None:
    [user] = limited.cluster.users
    await limited.sync(user, Mode.FULL)
    before, threads = limited.content(user), limited.threads(user)
    then = limited.stores.reader(user).present()
    for message_id in limited.simulator.held(user.email):
        limited.simulator.act(user.email, f"messages/{to_hex(message_id)}/delete")

    kinds = ["429", "403-userRateLimitExceeded", "500", "503", "cut", "lost"]
    limited.simulator.ask("faults", orjson.dumps({"rate": 0.05, "kinds": kinds}))
    restore = limited.restores.begin(user, user, Selection(as_of=then), "test")
    spent, started = limited.simulator.ask("stats")["units"], time.monotonic()
    assert await limited.work(restore) is RestoreState.COMPLETE
    seconds, stats = time.monotonic() - started, limited.simulator.ask("stats")

    share = (stats["units"] - spent) / (seconds * _SCALE * 6000 / 60)
    sys.stdout.write(
        f"\n{_COUNT} messages in {seconds:.1f} s with minutes of {60 / _SCALE:g} s: {share:.1%} of the quota; "
        f"{stats['answered']['messages.import']} imports, {stats['faults']} faults, refused {stats['refused']}\n"
    )
    assert (limited.content(user), limited.threads(user)) == (before, threads)
    assert stats["answered"]["messages.import"] == _COUNT, "each message was imported once"
    assert share > 0.5, (
        "measured 67% on two shared cores: each throttled answer without Retry-After pauses the user for 5 s"
    )


async def test_the_end_of_a_grant_ends_a_run_without_losing_what_is_under_way(
    bench: Bench, simulator: Simulator
) -> None:
    restore, run = await begun(bench, simulator, "granted", 40)
    with transaction(bench.cluster.databases.control) as connection:
        values = {"id": restore.restore_id}
        connection.exec_driver_sql("UPDATE restores SET grant_id = 'ended' WHERE restore_id = %(id)s", values)

    with pytest.raises(GrantEnded):
        await run

    stopped = bench.restores.get(restore.restore_id)
    assert 0 < stopped.done < 40
    assert not [each for each in bench.restores.messages(restore.restore_id) if each.state == "sent"]
    bench.restores.end(restore.restore_id, restore.runs, RestoreState.PAUSED, "the grant has ended")
    bench.restores.resume(restore.restore_id, "owner")
    assert await bench.work(bench.restores.get(restore.restore_id)) is RestoreState.COMPLETE

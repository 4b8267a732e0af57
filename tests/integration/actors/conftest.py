"""The simulator as a process, empty stores, and owners of shards that work in threads."""

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy.pool import QueuePool

from actors.budget import Broker, Demand, Grant
from actors.config import BackupConfig, ShardConfig
from actors.owner import ShardOwner
from actors.tokens import Tokens
from actors.work import ThreadWork
from cluster.simulator.process import start_simulator
from jobs.gmail.config import GmailConfig
from storage.catalog.catalog import Catalog
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.control import Control
from storage.control.sealing import Keyring, Sealer, context, load_key, new_key
from storage.db import migrate
from storage.db.engines import Databases
from storage.files.blobs import open_blobs
from storage.model.records import Phase, User
from storage.reader import MailboxReader

_DEADLINE_S = 90.0
_POLL_S = 0.02


class Simulator:
    """A running simulator with two users, and what /_sim/ lets a test do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.emails: list[str] = [user["email"] for user in self.ask("users")]

    def ask(self, path: str, body: bytes | None = None) -> Any:
        """GET, or POST with a body."""
        request = urllib.request.Request(f"{self.url}/_sim/{path}", data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return orjson.loads(answer.read())

    def act(self, email: str, what: str, **body: Any) -> Any:
        """Change something of a user."""
        return self.ask(f"users/{email}/{what}", orjson.dumps(body))

    def misbehave(self, rate: float = 0.0, latency_ms: float = 0.0) -> None:
        """Fail this share of calls, and answer this late."""
        self.ask("faults", orjson.dumps({"rate": rate, "latency_ms": latency_ms}))

    def held(self, email: str) -> dict[int, dict[str, Any]]:
        """{sha256, size, labels} of every message by id, as the simulator has it."""
        return {int(found["id"], 16): found for found in self.ask(f"users/{email}/messages")}


class Cluster:
    """The stores of a cluster with the simulator's users, and its owners."""

    def __init__(self, simulator: Simulator, backup: BackupConfig) -> None:
        self.simulator, self.backup = simulator, backup
        self.databases = Databases(backup.postgres)
        migrate.upgrade(self.databases, shards=1)
        self.control = Control(self.databases.control)
        self.catalog = Catalog(self.databases.shard_database(0))
        self.blobs = open_blobs(backup.archive.uri)
        assert backup.sealing_key is not None
        self.sealer = Sealer(Keyring(load_key(backup.sealing_key, Path("unused"))))
        self.users = [self.add(email) for email in simulator.emails]
        self.owners: list[ShardOwner] = []

    def add(self, email: str) -> User:
        """Register a user with the credentials that the simulator gives now."""
        user = self.control.add_user(email)
        document = orjson.dumps(self.simulator.ask(f"users/{email}/authorized-user"))
        self.control.save_credentials(user.user_id, self.sealer.seal(document, context("credentials", user.user_id)))
        return user

    async def owner(self, broker: Broker | None = None) -> tuple[ShardOwner, list[str]]:
        """A new owner of the shard, at work, and what it swept. broker: None: one without limits."""
        backup = self.backup
        owner = ShardOwner(
            0,
            backup,
            ThreadWork(backup.gmail, backup.archive),
            broker or NoLimit(),
            self.control,
            self.catalog,
            self.blobs,
            Tokens(self.control, self.sealer, backup.gmail),
        )
        swept = await owner.start()
        self.owners.append(owner)
        return owner, swept

    async def quiet(self, owner: ShardOwner, user: User, deadline_s: float = _DEADLINE_S) -> None:
        """Wait until a mailbox's round is over and says so in Postgres."""

        async def over() -> bool:
            if owner.failure is not None:
                raise owner.failure
            status = owner.status(user.user_id)
            return status is not None and not status["active"]

        try:
            await until(over, progress=lambda: owner.measures()["committed_messages_total"])
        except AssertionError:
            raise AssertionError(f"it is still active: {owner.status(user.user_id)}") from None

    async def unused(self) -> bool:
        """Whether nobody uses a connection."""
        pools = [engine.pool for engine in (self.databases.control, self.catalog.engine)]
        return all(isinstance(pool, QueuePool) and pool.checkedout() == 0 for pool in pools)

    def reader(self, user: User) -> MailboxReader:
        return MailboxReader(user.user_id, self.catalog.engine, self.blobs)

    def phase(self, user: User) -> Phase:
        record = self.reader(user).state()
        assert record is not None
        return record.phase

    def differences(self, user: User) -> dict[int, str]:
        """Messages that Gmail has and the archive has not, or not with these bytes."""
        reader, wrong = self.reader(user), {}
        for message_id, found in self.simulator.held(user.email).items():
            raw = reader.raw(message_id)
            if raw is None:
                wrong[message_id] = "missing"
            elif sha256(raw).hexdigest() != found["sha256"]:
                wrong[message_id] = "other bytes"
        return wrong


class NoLimit:
    """A project without a limit."""

    async def throttled(self, seconds: float) -> None:
        """Gmail has no limit here."""

    async def lease(self, shard_id: int, demand: Demand) -> Grant:
        return Grant(demand.wanted)


async def until(
    condition: Callable[[], Awaitable[bool]],
    deadline_s: float = _DEADLINE_S,
    progress: Callable[[], object] | None = None,
) -> None:
    """Wait for a condition; AssertionError when it does not come.

    Args:
        progress: while its value changes, the deadline starts anew: a busy machine is slow, not stuck.
    """
    deadline, last = time.monotonic() + deadline_s, progress() if progress else None
    while not await condition():
        if progress and (now := progress()) != last:
            deadline, last = time.monotonic() + deadline_s, now
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(_POLL_S)


@pytest.fixture(scope="module")
def simulator_process() -> Iterator[Simulator]:
    options = ["--generate", "300", "--hostile", "--users", "2", "--quota-profile", "unlimited"]
    with start_simulator(options) as url:
        yield Simulator(url)


@pytest.fixture
def simulator(simulator_process: Simulator) -> Iterator[Simulator]:
    yield simulator_process
    simulator_process.misbehave()
    for email in simulator_process.emails:
        simulator_process.act(email, "restore")


@asynccontextmanager
async def empty_cluster(
    simulator: Simulator, new_pair: Callable[[], tuple[str, ...]], folder: Path, shard: ShardConfig, **archive: Any
) -> AsyncIterator[Cluster]:
    """Empty stores with the simulator's users; its owners are closed afterwards. archive: settings of the archive."""
    dsns = [SecretStr(dsn) for dsn in new_pair()]
    backup = BackupConfig(
        cluster="test",
        gmail=GmailConfig(endpoint=simulator.url, token_uri=f"{simulator.url}/token", quota_profile="unlimited"),
        shard=shard,
        archive=ArchiveConfig(uri=f"file://{folder}/archive", **archive),
        postgres=PostgresConfig(control_dsn=dsns[0], shard_dsns=(dsns[1],)),
        sealing_key=SecretStr(new_key()),
    )
    cluster = Cluster(simulator, backup)
    yield cluster
    for owner in cluster.owners:
        await owner.close()
    await until(cluster.unused)  # a thread whose task was cancelled still ends its transaction
    cluster.databases.close()


@pytest.fixture
async def cluster(
    simulator: Simulator, new_pair: Callable[[], tuple[str, ...]], tmp_path: Path
) -> AsyncIterator[Cluster]:
    """An empty cluster that takes few messages at a time."""
    shard = ShardConfig(lease_s=1.5, fetch_size=10)
    async with empty_cluster(simulator, new_pair, tmp_path, shard, segment_age_s=0.2) as cluster:
        yield cluster

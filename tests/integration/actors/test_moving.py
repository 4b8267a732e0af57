"""Many mailboxes on 16 shards over 3 databases: a shard moves during its backfill, and during its incremental sync."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from actors.config import BackupConfig, ShardConfig
from actors.decisions import Mode
from actors.owner import ShardOwner
from actors.tokens import Tokens
from actors.work import ThreadWork
from cluster.simulator.process import start_simulator
from jobs.gmail.config import GmailConfig
from storage.catalog.catalog import Catalog
from storage.catalog.leases import LeaseLost, ShardMoving
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.campaigns import states_of
from storage.control.control import Control
from storage.control.sealing import Keyring, Sealer, context, load_key, new_key
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.files.blobs import open_blobs
from storage.model.records import MailboxRecord, Phase, User
from storage.moving.move import Moved, Mover
from storage.reader import MailboxReader
from tests.integration.actors.conftest import NoLimit, Simulator, until

SHARDS, USERS, DATABASES, EACH = 16, int(os.environ.get("MOVING_USERS", "2000")), 3, 2
_DEADLINE_S = 600.0


@pytest.fixture
def simulator_of_many() -> Iterator[Simulator]:
    """A simulator with many small mailboxes."""
    options = ["--generate", "50", "--users", str(USERS), "--messages-per-user", str(EACH)]
    with start_simulator([*options, "--quota-profile", "unlimited"]) as url:
        yield Simulator(url)


class Host:
    """What actors/remote/shard.py is to a shard, without Ray: an owner that failed is replaced where the map says."""

    def __init__(self, shard_id: int, backup: BackupConfig, databases: Databases, sealer: Sealer) -> None:
        self.shard_id, self._backup, self._databases, self._sealer = shard_id, backup, databases, sealer
        self.control = Control(databases.control)
        self.owner: ShardOwner | None = None
        self.failures: list[type[object]] = []

    def place(self) -> int:
        return self.control.shards()[self.shard_id]

    async def ping(self) -> ShardOwner | None:
        if self.owner is not None and self.owner.failure is None:
            return self.owner
        if self.owner is not None:
            self.failures.append(type(self.owner.failure))
            await self.owner.close()
            self.owner = None
        backup, place = self._backup, await asyncio.to_thread(self.place)
        owner = ShardOwner(
            self.shard_id,
            backup,
            ThreadWork(backup.gmail, backup.archive),
            NoLimit(),
            self.control,
            Catalog(self._databases.shard_database(place)),
            open_blobs(backup.archive.uri),
            Tokens(self.control, self._sealer, backup.gmail),
        )
        try:
            await owner.start(lambda: self.place() == place)
        except ShardMoving as exc:
            self.failures.append(type(exc))
            return None
        self.owner = owner
        return owner


class Crowd:
    """Many mailboxes of the simulator on many shards, whose hosts a campaign asks as it does."""

    def __init__(self, simulator: Simulator, backup: BackupConfig) -> None:
        assert backup.sealing_key is not None
        self.simulator, self.databases = simulator, Databases(backup.postgres)
        migrate.upgrade(self.databases, shards=SHARDS)
        sealer = Sealer(Keyring(load_key(backup.sealing_key, Path("unused"))))
        self.control, self.mover = Control(self.databases.control), Mover(self.databases, "test")
        self.blobs = open_blobs(backup.archive.uri)
        self.users = [self._add(email, sealer) for email in simulator.emails]
        self.hosts = [Host(number, backup, self.databases, sealer) for number in range(SHARDS)]

    def _add(self, email: str, sealer: Sealer) -> User:
        user = self.control.add_user(email)
        document = orjson.dumps(self.simulator.ask(f"users/{email}/authorized-user"))
        self.control.save_credentials(user.user_id, sealer.seal(document, context("credentials", user.user_id)))
        catalog = Catalog(self.databases.shard_database(self.control.shards()[user.shard_id]))
        catalog.open_mailbox(user.shard_id, user.user_id, user.email)
        return user

    async def synced(self, mode: Mode, among: list[User], move_to: int) -> None:
        """Sync mailboxes to the end; once one of shard 0 is done, move that shard."""
        before = states_of(self.databases, self.control.shards(), among)
        asked: dict[int, ShardOwner] = {}
        moving: asyncio.Future[Moved] | None = None

        async def over() -> bool:
            nonlocal moving
            pending = await asyncio.to_thread(self._pending, among, before)
            await self._ask(mode, pending, asked)
            if moving is None and any(user.shard_id == 0 and user not in pending for user in among):
                moving = asyncio.ensure_future(asyncio.to_thread(self.mover.move, 0, move_to))
            return not pending and moving is not None and moving.done()

        await until(over, _DEADLINE_S)
        assert moving is not None
        await moving
        assert self.control.shards()[0] == move_to

    async def _ask(self, mode: Mode, pending: list[User], asked: dict[int, ShardOwner]) -> None:
        for host in self.hosts:
            if (owner := await host.ping()) is not None and asked.get(host.shard_id) is not owner:
                try:
                    for user in pending:
                        if user.shard_id == host.shard_id:
                            await owner.request(user, mode)
                    asked[host.shard_id] = owner
                except ShardMoving:  # it has not noticed yet; a campaign asks again, too
                    continue

    def _pending(self, among: list[User], before: Mapping[int, MailboxRecord]) -> list[User]:
        states = states_of(self.databases, self.control.shards(), among)
        return [
            user
            for user in among
            if (state := states[user.user_id]).phase is not Phase.CURRENT
            or state.synced_at in (None, before[user.user_id].synced_at)
        ]

    def differs(self, user: User) -> bool:
        """Whether what is read of a mailbox is not what the simulator has."""
        engine = self.databases.shard_database(self.control.shards()[user.shard_id])
        reader, held = MailboxReader(user.user_id, engine, self.blobs), self.simulator.held(user.email)
        found = {message_id: sha256(reader.raw(message_id) or b"").hexdigest() for message_id in held}
        return found != {message_id: message["sha256"] for message_id, message in held.items()}

    async def close(self) -> None:
        """End every owner."""
        for host in self.hosts:
            if host.owner is not None:
                await host.owner.close()
        self.databases.close()


@pytest.mark.slow
async def test_a_shard_moves_during_a_backfill_and_a_sync(
    simulator_of_many: Simulator, new_database: Callable[[], str], tmp_path: Path
) -> None:
    backup = BackupConfig(
        cluster="test",
        gmail=GmailConfig(
            endpoint=simulator_of_many.url, token_uri=f"{simulator_of_many.url}/token", quota_profile="unlimited"
        ),
        shard=ShardConfig(),
        archive=ArchiveConfig(uri=f"file://{tmp_path}/archive", segment_age_s=0.5),
        postgres=PostgresConfig(
            control_dsn=SecretStr(new_database()),
            shard_dsns=tuple(SecretStr(new_database()) for _ in range(DATABASES)),
        ),
        sealing_key=SecretStr(new_key()),
    )
    crowd = Crowd(simulator_of_many, backup)
    theirs = [user for user in crowd.users if user.shard_id == 0]
    assert len(theirs) == USERS // SHARDS

    await crowd.synced(Mode.FULL, crowd.users, 1)
    for user in theirs[::5]:
        crowd.simulator.ask(f"users/{user.email}/messages", b"Subject: just in\r\n\r\nhello\r\n")
    crowd.mover.clean(0.0)
    await crowd.synced(Mode.INCREMENTAL, theirs, 2)
    crowd.mover.clean(0.0)

    assert set(crowd.hosts[0].failures) & {LeaseLost, ShardMoving}
    assert all(not host.failures for host in crowd.hosts[1:])
    assert [user.email for user in crowd.users if crowd.differs(user)] == []
    for database in (0, 1):
        with transaction(crowd.databases.shard_database(database)) as connection:
            assert connection.execute(text("SELECT count(*) FROM mailboxes WHERE shard_id = 0")).scalar() == 0
    await crowd.close()

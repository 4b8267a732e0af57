"""Many mailboxes on 16 shards over 3 databases: a shard moves during its backfill, and during its incremental sync."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
from jobs.gmail.config import GmailConfig
from storage import schema
from storage.blobs import open_blobs
from storage.campaigns import states_of
from storage.catalog import Catalog
from storage.config import ArchiveConfig, PostgresConfig
from storage.control import Control
from storage.databases import Databases, transaction
from storage.leases import LeaseLost, ShardMoving
from storage.moving.move import Moved, Mover
from storage.reader import MailboxReader
from storage.records import Phase, User
from storage.sealing import Keyring, Sealer, context, load_key, new_key
from tests.integration.actors.conftest import Simulator, _NoLimit

SHARDS, USERS, DATABASES, EACH = 16, int(os.environ.get("MOVING_USERS", "2000")), 3, 2
_DEADLINE_S = 600.0


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Simulator]:
    """A simulator with many small mailboxes."""
    ready = tmp_path / "ready.json"
    options = ["--generate", "50", "--users", str(USERS), "--messages-per-user", str(EACH)]
    options += ["--quota-profile", "unlimited", "--port", "0", "--ready-file", str(ready)]
    process = subprocess.Popen([sys.executable, "-m", "cluster.simulator", *options], env=dict(os.environ))
    deadline = time.monotonic() + 120
    while not ready.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    yield Simulator(orjson.loads(ready.read_bytes())["url"])
    process.terminate()
    process.wait(timeout=30)


class Host:
    """What actors/remote.py is to a shard, without Ray: an owner that failed is replaced where the map says."""

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
            _NoLimit(),
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


@pytest.mark.slow
async def test_a_shard_moves_during_a_backfill_and_a_sync(
    crowd: Simulator, new_database: Callable[[], str], tmp_path: Path
) -> None:
    dsns = tuple(SecretStr(new_database()) for _ in range(DATABASES))
    backup = BackupConfig(
        cluster="test",
        gmail=GmailConfig(endpoint=crowd.url, token_uri=f"{crowd.url}/token", quota_profile="unlimited"),
        shard=ShardConfig(),
        archive=ArchiveConfig(uri=f"file://{tmp_path}/archive", segment_age_s=0.5),
        postgres=PostgresConfig(control_dsn=SecretStr(new_database()), shard_dsns=dsns),
        sealing_key=SecretStr(new_key()),
    )
    databases = Databases(backup.postgres)
    schema.upgrade(databases, shards=SHARDS)
    assert backup.sealing_key is not None
    sealer = Sealer(Keyring(load_key(backup.sealing_key, Path("unused"))))
    control = Control(databases.control)
    users = []
    for email in crowd.emails:
        user = control.add_user(email)
        document = orjson.dumps(crowd.ask(f"users/{email}/authorized-user"))
        control.save_credentials(user.user_id, sealer.seal(document, context("credentials", user.user_id)))
        Catalog(databases.shard_database(control.shards()[user.shard_id])).open_mailbox(
            user.shard_id, user.user_id, user.email
        )
        users.append(user)
    hosts = [Host(number, backup, databases, sealer) for number in range(SHARDS)]
    mover = Mover(databases, "test")
    theirs = [user for user in users if user.shard_id == 0]
    assert len(theirs) == USERS // SHARDS

    async def synced(mode: Mode, among: list[User], move_to: int) -> None:
        before = states_of(databases, control.shards(), among)
        asked: dict[int, ShardOwner] = {}
        moving: asyncio.Future[Moved] | None = None
        pending, deadline = among, time.monotonic() + _DEADLINE_S
        while pending or moving is None or not moving.done():
            assert time.monotonic() < deadline
            for host in hosts:
                if (owner := await host.ping()) is not None and asked.get(host.shard_id) is not owner:
                    try:
                        for user in pending:
                            if user.shard_id == host.shard_id:
                                await owner.request(user, mode)
                        asked[host.shard_id] = owner
                    except ShardMoving:  # it has not noticed yet; a campaign asks again, too
                        continue
            states = await asyncio.to_thread(states_of, databases, control.shards(), among)
            pending = [
                user
                for user in among
                if (state := states[user.user_id]).phase is not Phase.CURRENT
                or state.synced_at in (None, before[user.user_id].synced_at)
            ]
            if moving is None and len([user for user in among if user.shard_id == 0 and user not in pending]) > 0:
                moving = asyncio.ensure_future(asyncio.to_thread(mover.move, 0, move_to))
            await asyncio.sleep(0.05)
        await moving
        assert control.shards()[0] == move_to

    await synced(Mode.FULL, users, 1)
    for user in theirs[::5]:
        crowd.ask(f"users/{user.email}/messages", b"Subject: just in\r\n\r\nhello\r\n")
    mover.clean(0.0)
    await synced(Mode.INCREMENTAL, theirs, 2)
    mover.clean(0.0)

    assert set(hosts[0].failures) & {LeaseLost, ShardMoving}
    assert all(not host.failures for host in hosts[1:])
    for user in users:
        engine = databases.shard_database(control.shards()[user.shard_id])
        reader, held = MailboxReader(user.user_id, engine, open_blobs(backup.archive.uri)), crowd.held(user.email)
        found = {message_id: sha256(reader.raw(message_id) or b"").hexdigest() for message_id in held}
        assert found == {message_id: message["sha256"] for message_id, message in held.items()}
    for database in (0, 1):
        with transaction(databases.shard_database(database)) as connection:
            assert connection.execute(text("SELECT count(*) FROM mailboxes WHERE shard_id = 0")).scalar() == 0
    for host in hosts:
        if host.owner is not None:
            await host.owner.close()
    databases.close()

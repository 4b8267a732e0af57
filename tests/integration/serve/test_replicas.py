"""The gateway over a primary and a standby: positions in headers, replicas in /ready and /metrics."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from actors.config import BackupConfig
from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.http.session_token import HEADER
from serve.settings import Settings
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key
from storage.db.migrate import create_database
from tests.conftest import memory_home
from tests.integration.serve.conftest import Archive, RecordingOwners, mail, signed_in
from tests.integration.storage.standbys import Server, standby_of


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    home = memory_home()
    primary = Server(home / "primary")
    for name in ("control", "shard"):
        create_database(primary.dsn(name))
    standby = standby_of(primary, home / "standby")
    yield primary, standby
    standby.server.close()
    primary.server.close()
    shutil.rmtree(home)


@pytest.fixture
def archive(servers: tuple[Server, Server], tmp_path: Path) -> Iterator[Archive]:
    primary, standby = servers
    postgres = PostgresConfig(
        control_dsn=SecretStr(primary.dsn("control")),
        shard_dsns=(SecretStr(primary.dsn("shard")),),
        shard_replica_dsns=((SecretStr(standby.dsn("shard")),),),
        replica_check_s=0.1,
    )
    uri = f"file://{tmp_path}/archive"
    archive = Archive(
        BackupConfig(cluster="test", archive=ArchiveConfig(uri=uri), postgres=postgres, sealing_key=_key())
    )
    yield archive
    archive.databases.close()


def _key() -> SecretStr:
    return SecretStr(new_key())


@pytest.fixture
async def client(archive: Archive) -> AsyncIterator[httpx.AsyncClient]:
    assembly = Assembly(Settings(archive.backup, ServeConfig()), RecordingOwners())
    apps = {"auth": assembly.auth(), "emails": assembly.emails(), "sync": assembly.sync()}
    root = assembly.root()

    async def proxy(scope: dict[str, str], receive: object, send: object) -> None:
        parts = scope["path"].split("/")
        await (apps.get(parts[3], root) if len(parts) > 3 else root)(scope, receive, send)  # type: ignore[arg-type]

    async with httpx.AsyncClient(transport=httpx.ASGITransport(proxy), base_url="http://gateway") as client:  # type: ignore[arg-type]
        yield client
    assembly.close()


async def test_who_saw_a_status_finds_its_mail_while_the_replica_stands_still(
    archive: Archive, client: httpx.AsyncClient, servers: tuple[Server, Server]
) -> None:
    user, key = archive.add_user("ann@example.com")
    archive.commit(user, [(1, ["INBOX"], mail("one"))])
    headers = await signed_in(client, key)
    while not (await client.get("/ready")).json()["replicas"]["shard_database:0/replica:0"]["in_rotation"]:
        pass
    servers[1].pause()
    try:
        archive.commit(user, [(2, ["INBOX"], mail("two"))])
        status = await client.get("/api/v1/sync/status", headers=headers)
        assert status.json()["phase"] == "current"

        position = {HEADER: status.headers[HEADER]}
        fresh = await client.get("/api/v1/emails", headers=headers | position)
        stale = await client.get("/api/v1/emails", headers=headers)
        assert [each["subject"] for each in fresh.json()["items"]] == ["two", "one"]
        assert [each["subject"] for each in stale.json()["items"]] == ["one"]
        assert fresh.headers[HEADER]
    finally:
        servers[1].resume()
    assert 'gbm_replica_in_rotation{replica="shard_database:0/replica:0"}' in (await client.get("/metrics")).text

"""While the control database is away its replicas let mail be read, also by a gateway that starts meanwhile."""

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from actors.config import BackupConfig
from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.settings import Settings
from storage.catalog import leases
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key
from storage.db.engines import transaction
from storage.db.migrate import create_database
from tests.conftest import memory_home
from tests.integration.serve.conftest import Archive, RecordingOwners, mail, signed_in
from tests.integration.storage.standbys import Server, standby_of


class Cluster:
    """A control database with a standby, shards on a server of their own, one user's mail."""

    def __init__(self, home: Path) -> None:
        self.control, self.shard = Server(home / "control"), Server(home / "shard")
        create_database(self.control.dsn("control"))
        for name in ("shard0", "shard1"):
            create_database(self.shard.dsn(name))
        self.standby = standby_of(self.control, home / "standby")
        postgres = PostgresConfig(
            control_dsn=SecretStr(self.control.dsn("control")),
            control_replica_dsns=(SecretStr(self.standby.dsn("control")),),
            shard_dsns=(SecretStr(self.shard.dsn("shard0")), SecretStr(self.shard.dsn("shard1"))),
            replica_check_s=0.1,
        )
        archive = ArchiveConfig(uri=f"file://{home}/archive")
        key = SecretStr(new_key())
        self.archive = Archive(BackupConfig(cluster="test", archive=archive, postgres=postgres, sealing_key=key))
        self.user, self.key = self.archive.add_user("ann@example.com")
        self.archive.commit(self.user, [(1, ["INBOX"], mail("one"))])

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a gateway that has just started."""
        assembly = Assembly(Settings(self.archive.backup, ServeConfig()), RecordingOwners())
        apps = {"auth": assembly.auth(), "emails": assembly.emails()}
        root = assembly.root()

        async def proxy(scope: dict[str, str], receive: object, send: object) -> None:
            parts = scope["path"].split("/")
            await (apps.get(parts[3], root) if len(parts) > 3 else root)(scope, receive, send)  # type: ignore[arg-type]

        transport = httpx.ASGITransport(proxy)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield client
        assembly.close()

    def replayed(self) -> None:
        """Wait until the standby has all that was committed."""
        written = self.control.ask("SELECT pg_current_wal_lsn()::text")
        while not self.standby.ask(f"SELECT pg_last_wal_replay_lsn() >= '{written}'"):
            pass

    def close(self) -> None:
        self.archive.databases.close()
        for server in (self.standby, self.control, self.shard):
            server.server.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    home = memory_home()
    cluster = Cluster(home)
    yield cluster
    cluster.close()
    shutil.rmtree(home)


async def subjects(client: httpx.AsyncClient, headers: dict[str, str]) -> list[str]:
    answer = await client.get("/api/v1/emails", headers=headers)
    assert answer.status_code == 200, answer.text
    return [each["subject"] for each in answer.json()["items"]]


async def test_mail_is_read_while_the_control_database_is_away_and_nobody_signs_in(cluster: Cluster) -> None:
    async with cluster.gateway() as client:
        headers = await signed_in(client, cluster.key)
        revoked = await signed_in(client, cluster.key)
        assert (await client.post("/api/v1/auth/sign-out", headers=revoked)).status_code == 204
    cluster.replayed()
    cluster.control.kill()

    async with cluster.gateway() as client:
        assert await subjects(client, headers) == ["one"]
        assert (await client.get("/api/v1/emails", headers=revoked)).status_code == 401
        signing_in = await client.post("/api/v1/auth/token", json={"api_key": cluster.key})
        assert (signing_in.status_code, signing_in.json()["code"]) == (503, "database_unreachable")
        ready = (await client.get("/ready")).json()
        assert ready["dependencies"]["control_database"] == "unreachable"
        assert 880 < ready["revocations"]["left_s"] <= 900
        assert ready["replicas"]["control_database/replica:0"]["in_rotation"]

        cluster.control.restart()
        assert await signed_in(client, cluster.key)
        assert await subjects(client, headers) == ["one"]


async def test_a_gateway_that_can_read_no_revocations_lets_nobody_in(cluster: Cluster) -> None:
    async with cluster.gateway() as client:
        headers = await signed_in(client, cluster.key)
    cluster.replayed()
    cluster.control.kill()
    cluster.standby.server.close()

    async with cluster.gateway() as client:
        answer = await client.get("/api/v1/emails", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
        assert (await client.get("/ready")).json()["revocations"]["left_s"] == 0

        cluster.control.restart()
        assert await subjects(client, headers) == ["one"]


async def test_an_old_shard_map_does_not_lead_to_a_shards_former_database(cluster: Cluster) -> None:
    async with cluster.gateway() as client:
        headers = await signed_in(client, cluster.key)
    cluster.replayed()
    cluster.standby.pause()
    shard = cluster.user.shard_id
    former = cluster.archive.databases.shard_database(cluster.archive.control.shards()[shard])
    with transaction(former) as connection:  # as a move leaves it
        marking = text("UPDATE leases SET cluster = :cluster WHERE shard_id = :shard")
        connection.execute(marking, {"cluster": leases.MOVED, "shard": shard})
    cluster.control.kill()

    async with cluster.gateway() as client:
        answer = await client.get("/api/v1/emails", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "shard_unavailable")
        with transaction(former) as connection:  # as the clearing of the former home leaves it
            connection.execute(text("DELETE FROM leases WHERE shard_id = :shard"), {"shard": shard})
        assert (await client.get("/api/v1/emails", headers=headers)).status_code == 503

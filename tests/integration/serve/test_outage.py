"""Without its databases the gateway still answers, and says what it lacks."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.pool import QueuePool

from actors.config import BackupConfig
from serve import deployment
from serve.assembly import Assembly
from serve.config import ServeConfig
from serve.port_check import PortOccupied, require_free
from serve.settings import Settings
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import KeyMissing, new_key
from tests.integration.serve.conftest import RecordingOwners


@pytest.fixture
def nowhere() -> str:
    """A DSN where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"postgresql://gbm:hidden@127.0.0.1:{port}/gbm"


@pytest.fixture
async def assembly(nowhere: str, tmp_path: Path) -> AsyncIterator[Assembly]:
    backup = BackupConfig(
        cluster="test",
        archive=ArchiveConfig(uri=f"file://{tmp_path}"),
        postgres=PostgresConfig(control_dsn=SecretStr(nowhere)),
        sealing_key=SecretStr(new_key()),
    )
    assembly = Assembly(Settings(backup, ServeConfig()), RecordingOwners())
    yield assembly
    assembly.close()


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


async def test_signing_in_waits_for_the_database(assembly: Assembly) -> None:
    async with _client(assembly.auth()) as http:
        answer = await http.post("/api/v1/auth/token", json={"api_key": f"gbm_{'a' * 10}_{'b' * 43}"})

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
    assert answer.headers["retry-after"]
    assert "127.0.0.1" not in answer.text
    assert "hidden" not in answer.text


async def test_health_succeeds_and_ready_names_missing_dependencies(assembly: Assembly) -> None:
    async with _client(assembly.root()) as http:
        health, ready = await http.get("/health"), await http.get("/ready")

    assert health.status_code == 200
    assert (ready.status_code, ready.json()["dependencies"]) == (503, {"control_database": "unreachable"})


async def test_a_replica_is_healthy_without_its_database(assembly: Assembly) -> None:
    await assembly.check()

    async with _client(assembly.root()) as http:
        assert (await http.get("/ready")).status_code == 503


def test_an_occupied_port_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortOccupied, match=rf"127\.0\.0\.1:{port} is not available \(it is in use\)"):
            require_free("127.0.0.1", port, "GBM_SERVE__PORT")

    require_free("127.0.0.1", port, "GBM_SERVE__PORT")


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(PortOccupied, match="192"):
        require_free("192.0.2.1", 8000, "GBM_SERVE__PORT")


def test_invalid_configuration_is_reported_before_replicas_start(nowhere: str, tmp_path: Path) -> None:
    backup = BackupConfig(
        cluster="test",
        archive=ArchiveConfig(uri=f"file://{tmp_path}"),
        postgres=PostgresConfig(control_dsn=SecretStr(nowhere)),
        sealing_key_path=tmp_path / "absent.key",
    )

    with pytest.raises(KeyMissing, match=r"absent\.key"):
        deployment.deploy(backup, ServeConfig())


def test_no_thread_waits_for_anothers_connection(assembly: Assembly) -> None:
    config = assembly._config

    for engine in (assembly._databases.control, assembly._databases.shard_database(0)):
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.size() > config.threads

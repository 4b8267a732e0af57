"""What the API's description says is what the running gateway does, whoever asks: schemathesis, with all its checks."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from actors.config import BackupConfig
from storage.campaigns import Campaigns, Member
from storage.config import ArchiveConfig, PostgresConfig
from storage.sealing import new_key
from tests.integration.serve.conftest import Archive, mail
from tests.integration.serve.running import running

#: What is well-formed may still mean nothing: a search, a cursor or a position of no answer is 400, what is not there
#: 404, what cannot be done now 409, a range beyond the end 416, a stream too many 429.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 409, 416, 429]
[checks.negative_data_rejection]
expected-statuses = [304, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]
[[operations]]
include-path-regex = "/analytics/(timeline|activity)$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 400, 401, 403, 404, 422, 429]
"""
ROLES = ("owner", "operator", "auditor", "narrowed", "nobody")


@pytest.fixture(scope="module")
def populated(postgres: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Stores with mail of several people, a campaign, keys and a grant."""
    names = [f"schemathesis_{number}" for number in range(3)]
    for name in names:
        postgres.create_database(name)  # type: ignore[attr-defined]
    dsns = [SecretStr(postgres.dsn(name)) for name in names]  # type: ignore[attr-defined]
    archive = Archive(
        BackupConfig(
            cluster="test",
            archive=ArchiveConfig(uri=f"file://{tmp_path_factory.mktemp('archive')}"),
            postgres=PostgresConfig(control_dsn=dsns[0], shard_dsns=tuple(dsns[1:])),
            sealing_key=SecretStr(new_key()),
        )
    )
    yield archive
    archive.databases.close()


@pytest.fixture(scope="module")
def address(populated: Archive) -> Iterator[str]:
    with running(populated) as address:
        yield address


@pytest.fixture(scope="module")
def token(populated: Archive, address: str) -> Callable[[str], str | None]:
    """An access token for a role, whose user has mail."""

    def made(role: str) -> str | None:
        if role == "nobody":
            return None
        user, key = populated.add_user(f"{role}@example.com", "owner" if role == "narrowed" else role)
        populated.commit(user, [(n, ["INBOX", "UNREAD"], mail(f"{role} {n}")) for n in range(1, 9)])
        member = Member(user)
        Campaigns(populated.databases.control).begin("incremental", [member], user.email)
        with httpx.Client(base_url=address) as http:
            bearer = http.post("/api/v1/auth/token", json={"api_key": key}).json()["access_token"]
            if role == "narrowed":
                headers = {"Authorization": f"Bearer {bearer}"}
                narrow = http.post("/api/v1/auth/keys", json={"scopes": ["mail"]}, headers=headers).json()["api_key"]
                bearer = http.post("/api/v1/auth/token", json={"api_key": narrow}).json()["access_token"]
        return str(bearer)

    return made


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ROLES)
def test_the_description_is_true_for_everybody(
    address: str, token: Callable[[str], str | None], role: str, tmp_path: Path
) -> None:
    bearer = token(role)
    headers = ["--header", f"Authorization: Bearer {bearer}"] if bearer else []
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{address}/openapi.json", *headers),
            *("--checks", "all", "--max-examples", "12", "--seed", "1", "--workers", "1"),
            *("--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all"),
            # Signing out would end the others' sessions: their own tests are in test_access.py.
            *("--exclude-path-regex", "sign-out|/api/v1/push"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=560,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2_000:]

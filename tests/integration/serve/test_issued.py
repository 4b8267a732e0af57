"""What earlier versions issued is accepted, or refused with the right sentence: keys, tokens, grants, cursors.

issued/VERSION.* was made by that version (make_issued.py): each request there has the answer that it got. The newest is
of this version itself, kept for the next.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from actors.config import BackupConfig
from serve.assembly import Assembly
from serve.auth.authentication import AccessTokens, TokenInvalid
from serve.auth.routes import google
from serve.auth.tokens import SecretRefused
from serve.config import ServeConfig
from serve.settings import Settings
from storage.config import ArchiveConfig, PostgresConfig
from storage.db.engines import Databases, transaction
from storage.db.migrate import create_database
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.recovery.dump import restore
from tests.integration.serve.conftest import RecordingOwners
from tests.integration.serve.make_issued import FOLDER, WITH_GOOGLE, ids_of
from tests.integration.serve.running import Jobs, listening

#: Of a backup's tables, those in which time runs out, and the column.
_TIMES = {"api_keys": "expires_at", "refresh_tokens": "expires_at", "grants": "expires_at"}


@dataclass
class Issued:
    """A gateway of this version over what an earlier one left, and what that one issued."""

    document: dict[str, Any]
    backup: BackupConfig

    def header(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.document['access'][name]}"}


@pytest.fixture(params=sorted(path.stem for path in FOLDER.glob("*.json")), scope="module")
def issued(
    request: pytest.FixtureRequest, postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Issued:
    """Its databases restored and migrated. Secrets that have expired since are given time again."""
    home = tmp_path_factory.mktemp("issued")
    document = json.loads((FOLDER / f"{request.param}.json").read_bytes())
    with tarfile.open(FOLDER / f"{request.param}.tar.xz") as tar:
        tar.extractall(home, filter="data")
    names = [f"issued_{request.param}_{name}".replace(".", "_") for name in ("control", "shard0", "shard1")]
    for name in names:
        create_database(postgres.dsn(name))
    control, *shards = (SecretStr(postgres.dsn(name)) for name in names)
    config = PostgresConfig(control_dsn=control, shard_dsns=tuple(shards))
    databases = Databases(config)
    restore(databases, home / "backup")
    with transaction(databases.control) as connection:
        for table, column in _TIMES.items():
            later = f"UPDATE {table} SET {column} = now() + interval '1 hour' WHERE {column} IS NOT NULL"
            connection.execute(text(later))
    databases.close()
    archive = ArchiveConfig(uri=f"file://{home}/archive", words_cache=str(home / "words"))
    key = SecretStr(document["sealing_key"])
    return Issued(document, BackupConfig(cluster="test", archive=archive, postgres=config, sealing_key=key))


def client_of(issued: Issued, config: ServeConfig, at: float | None) -> Iterator[httpx.Client]:
    """A client of the gateway. at: what its clock says, for access tokens and sign-ins; None: the present."""
    assembly = Assembly(Settings(issued.backup, config), RecordingOwners(live={"active": False}), Jobs())
    if at is not None:
        assembly.__dict__["_tokens"] = AccessTokens(assembly._signing, config.tokens, now=lambda: at)
    try:
        with listening(assembly.together()) as url, httpx.Client(base_url=url, timeout=60) as client:
            yield client
    finally:
        assembly.close()


@pytest.fixture
def then(issued: Issued, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A client of a gateway whose clock says what it said when all was issued."""
    at = issued.document["issued_at"] + 1
    monkeypatch.setattr(google, "GoogleSignIn", partial(google.GoogleSignIn, clock=lambda: at))
    yield from client_of(issued, WITH_GOOGLE, at)


@pytest.fixture
def now(issued: Issued) -> Iterator[httpx.Client]:
    """A client of a gateway, years later."""
    yield from client_of(issued, WITH_GOOGLE, issued.document["issued_at"] + 5 * 365 * 86_400)


def test_access_tokens_speak_for_whom_they_spoke(issued: Issued, then: httpx.Client) -> None:
    roles = {}
    for name in issued.document["access"]:
        answer = then.post("/api/v1/auth/verify", headers=issued.header(name))
        assert answer.status_code == 200, f"{name}: {answer.text}"
        roles[name] = (answer.json()["role"], answer.json().get("scope"), (answer.json().get("act") or {}).get("sub"))
    assert roles == {
        "owner": ("owner", None, None),
        "other": ("owner", None, None),
        "operator": ("operator", None, None),
        "auditor": ("auditor", None, None),
        "scoped": ("owner", "mail", None),
        "refreshed": ("owner", None, None),
        "granted": ("owner", "analytics mail", "operator@example.com"),
    }


def test_access_tokens_that_have_expired_are_refused_by_the_sentence_for_it(issued: Issued, now: httpx.Client) -> None:
    for name in issued.document["access"]:
        answer = now.get("/api/v1/emails", headers=issued.header(name))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid"), name
        assert answer.json()["detail"] == str(TokenInvalid())


def test_cursors_and_all_else_that_was_issued_lead_where_they_led(issued: Issued, then: httpx.Client) -> None:
    wrong = {}
    for asked in issued.document["requests"]:
        answer = then.request(
            asked["method"],
            asked["path"],
            headers={**issued.header(asked["as"]), **asked["headers"]},
            json=asked.get("json"),
        )
        if "If-None-Match" in asked["headers"] and answer.status_code == 200:
            continue  # the representation has fields that it did not have then
        ids = ids_of(answer.json()) if answer.content else []
        if (answer.status_code, ids) != (asked["status"], asked["ids"]):
            wrong[f"{asked['method']} {asked['path']}"] = (answer.status_code, answer.text[:300], asked)
        elif answer.is_error:
            assert answer.json()["detail"].endswith("."), f"a sentence: {answer.text}"
    assert wrong == {}


def test_keys_and_refresh_tokens_are_traded_or_refused(issued: Issued, now: httpx.Client) -> None:
    """Comes last: a refresh token that is used twice ends its session."""
    for secret in issued.document["secrets"]:
        answer = now.post("/api/v1/auth/token", json=secret["body"])
        assert answer.status_code == secret["status"], f"{secret['name']}: {answer.text}"
        if answer.status_code == 401:
            assert (answer.json()["code"], answer.json()["detail"]) == ("secret_refused", str(SecretRefused()))
        else:
            fresh = {"Authorization": f"Bearer {answer.json()['access_token']}"}
            assert now.get("/api/v1/emails?limit=1", headers=fresh).status_code == 200, secret["name"]

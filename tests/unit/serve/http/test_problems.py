"""serve/http/problems.py"""

import logging
import pickle

import pytest
from fastapi import APIRouter
from pydantic import BaseModel, SecretStr

from serve.auth.authentication import TokenInvalid
from serve.auth.policies import public
from serve.auth.tokens import SecretRefused
from serve.config import ServeConfig
from serve.gateway import application
from serve.http import problems
from serve.mail.readers import UnknownShard
from serve.sync.ports import OwnerUnavailable
from storage.catalog.leases import LeaseHeld, LeaseLost
from storage.db.engines import DatabaseUnreachable
from storage.errors import BackupError
from storage.files.blobs import ArchiveUnusable, FileDamaged
from storage.model.results import InvalidCursor
from storage.query.errors import InvalidQuery
from tests.unit.serve.fakes import client

_SECRET = "db.internal:5432/gbm"


class Body(BaseModel):
    """A body with a secret."""

    api_key: SecretStr
    count: int


async def _raised(error: Exception) -> tuple[int, dict[str, str], dict[str, object]]:
    router = APIRouter()

    @router.get("/fails")
    @public()
    async def fails() -> None:
        raise error

    async with client(application("test", [router], ServeConfig())) as http:
        answer = await http.get("/fails", params={"q": "private words"})
    return answer.status_code, dict(answer.headers), answer.json()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidQuery("'foo' is unknown", 3), 400, "invalid_query"),
        (InvalidCursor("x"), 400, "invalid_cursor"),
        (SecretRefused(), 401, "secret_refused"),
        (TokenInvalid(), 401, "token_invalid"),
        (FileDamaged(f"{_SECRET}/0001", "it is missing"), 500, "file_damaged"),
        (DatabaseUnreachable(_SECRET, "refused"), 503, "database_unreachable"),
        (OwnerUnavailable(3, _SECRET), 503, "shard_unavailable"),
        (UnknownShard(3), 503, "shard_unavailable"),
        (LeaseHeld(3, _SECRET, 9), 503, "lease_held"),
        (LeaseLost(3, 4), 503, "lease_lost"),
        (ArchiveUnusable(_SECRET, "no"), 500, "internal"),
        (RuntimeError(_SECRET), 500, "internal"),
    ],
)
async def test_every_kind_of_error_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    found, headers, document = await _raised(error)

    assert (found, document["status"], document["code"]) == (status, status, code)
    assert headers["content-type"] == "application/problem+json"
    assert set(document) == set(problems.Problem.model_fields)
    assert document["instance"] == "/fails"
    assert document["request_id"] == headers["x-request-id"]
    assert ("retry-after" in headers) == (status == 503)
    assert ("www-authenticate" in headers) == (status == 401)
    assert _SECRET not in str(document) + str(headers)
    assert "private words" not in str(document)


async def test_an_error_that_a_client_can_correct_is_shown_with_its_text() -> None:
    error = InvalidQuery("'foo' is unknown", 3)

    assert (await _raised(error))[2]["detail"] == str(error)


async def test_an_error_that_an_operator_must_correct_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await _raised(DatabaseUnreachable(_SECRET, "refused"))

    assert _SECRET in caplog.text


async def test_an_invalid_body_is_reported_without_its_values() -> None:
    router = APIRouter()

    @router.post("/takes")
    @public()
    async def takes(body: Body) -> None:
        raise AssertionError(body)

    as_json = {"Content-Type": "application/json"}
    async with client(application("test", [router], ServeConfig())) as http:
        answers = [
            await http.post("/takes", json={"api_key": "gbm_secret", "count": "gbm_secret"}),
            await http.post("/takes", json={"api_key": ["gbm_secret"]}),
            await http.post("/takes", content=b'{"api_key": "gbm_secret"', headers=as_json),
        ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (422, "validation")
        assert answer.json()["errors"]
        assert "gbm_secret" not in answer.text


async def test_unknown_addresses_and_methods_are_problems_too() -> None:
    router = APIRouter()

    @router.get("/here")
    @public()
    async def here() -> None: ...

    async with client(application("test", [router], ServeConfig())) as http:
        missing, wrong = await http.get("/there"), await http.delete("/here")

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "GET")


@pytest.mark.parametrize("error", [TokenInvalid(), SecretRefused(), UnknownShard(3), OwnerUnavailable(3, "gone")])
def test_errors_travel_between_processes(error: BackupError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), str(copy), copy.args) == (type(error), str(error), error.args)
    assert str(error).endswith((".",))

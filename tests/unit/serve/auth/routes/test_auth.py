"""serve/auth/routes/auth.py"""

from collections.abc import AsyncIterator

import httpx
import pytest

from serve.auth import api_keys
from serve.auth.routes import auth
from serve.config import ServeConfig
from serve.gateway import application
from serve.http.executor import BlockingExecutor
from tests.unit.serve.fakes import ANN, MemoryTokenStore, access_tokens, authentication, client, desks

_TOKEN, _VERIFY = "/api/v1/auth/token", "/api/v1/auth/verify"


@pytest.fixture
def store() -> MemoryTokenStore:
    return MemoryTokenStore()


@pytest.fixture
async def http(store: MemoryTokenStore) -> AsyncIterator[httpx.AsyncClient]:
    tokens = access_tokens()
    app = application(
        "auth",
        [auth.router(desks(store, tokens), BlockingExecutor(2))],
        ServeConfig(),
        authentication(tokens),
    )
    async with client(app) as http:
        yield http


@pytest.fixture
def key(store: MemoryTokenStore) -> str:
    new = api_keys.new_key()
    store.keys[new.key_id, new.secret_hash] = ANN
    return new.text.get_secret_value()


async def test_a_key_becomes_tokens_that_verify(http: httpx.AsyncClient, key: str) -> None:
    answer = await http.post(_TOKEN, json={"api_key": key})
    document = answer.json()
    verified = await http.post(_VERIFY, headers={"Authorization": f"Bearer {document['access_token']}"})

    assert set(document) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (document["token_type"], document["expires_in"]) == ("Bearer", 900)
    assert answer.headers["cache-control"] == "no-store"
    claims = verified.json()
    assert (claims["sub"], claims["email"], claims["shard"], claims["role"]) == ("1", ANN.email, 0, "owner")


async def test_a_refresh_token_is_good_once(http: httpx.AsyncClient, key: str) -> None:
    first = (await http.post(_TOKEN, json={"api_key": key})).json()

    second = await http.post(_TOKEN, json={"refresh_token": first["refresh_token"]})
    again = await http.post(_TOKEN, json={"refresh_token": first["refresh_token"]})

    assert (second.status_code, again.status_code) == (200, 401)


async def test_every_bad_secret_gets_the_same_answer(http: httpx.AsyncClient, key: str) -> None:
    answers = [
        await http.post(_TOKEN, json=body)
        for body in (
            {"api_key": "nonsense"},
            {"api_key": api_keys.new_key().text.get_secret_value()},
            {"api_key": key[:-1] + ("a" if key[-1] != "a" else "b")},
            {"refresh_token": "gbr_" + "a" * 43},
            {"refresh_token": key},
        )
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.json()["code"], answer.json()["detail"]) for answer in answers}) == 1


@pytest.mark.parametrize(
    "body", [{}, {"api_key": None}, {"api_key": "a", "refresh_token": "b"}, {"password": "a"}, {"api_key": "a" * 201}]
)
async def test_a_request_has_exactly_one_secret(http: httpx.AsyncClient, body: dict[str, str]) -> None:
    answer = await http.post(_TOKEN, json=body)

    assert answer.status_code == 422
    assert "a" * 201 not in answer.text


async def test_secrets_in_urls_are_not_read(http: httpx.AsyncClient, key: str) -> None:
    answer = await http.post(_TOKEN, params={"api_key": key})

    assert answer.status_code == 422


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer  "])
async def test_without_a_token_there_is_nothing_to_verify(http: httpx.AsyncClient, header: str | None) -> None:
    answer = await http.post(_VERIFY, headers={"Authorization": header} if header is not None else {})

    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert answer.headers["www-authenticate"].startswith("Bearer")

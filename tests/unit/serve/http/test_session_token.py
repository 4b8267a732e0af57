"""serve/http/session_token.py"""

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from serve import openapi
from serve.auth.policies import public
from serve.config import ServeConfig
from serve.gateway import application
from serve.http.executor import BlockingExecutor
from serve.http.session_token import HEADER, read_session
from storage.replication.session_token import SessionToken, WalPosition


def app() -> FastAPI:
    """Every read goes as far as place 50 of server 7."""
    routes, threads = APIRouter(), BlockingExecutor(1)

    @routes.get("/api/v1/emails")
    @public()
    async def read() -> str:
        await threads.run(lambda: read_session().saw(WalPosition(7, 1, 50)))
        return str(read_session().required)

    @routes.get("/other")
    @public()
    async def other() -> str:
        return "reads nothing"

    return application("test", [routes], ServeConfig())


@pytest.fixture
def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app()), base_url="http://test")


async def test_a_response_has_the_position_of_its_reads(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/emails")
    assert SessionToken.decode(answer.headers[HEADER]) == SessionToken.of([WalPosition(7, 1, 50)])
    assert answer.json() == "None"


async def test_a_position_is_required_and_never_goes_back(http: httpx.AsyncClient) -> None:
    given = SessionToken.of([WalPosition(7, 1, 90), WalPosition(8, 1, 1)])
    answer = await http.get("/api/v1/emails", headers={HEADER: given.encode()})
    assert answer.json() == str(given)
    assert SessionToken.decode(answer.headers[HEADER]) == given


async def test_a_malformed_position_is_a_problem(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/emails", headers={HEADER: "0/3000028"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_position"


async def test_an_answer_without_reads_has_no_position(http: httpx.AsyncClient) -> None:
    assert HEADER not in (await http.get("/other")).headers


def test_the_description_names_the_header() -> None:
    operation = openapi.merged("t", "1", app().state.routes)["paths"]["/api/v1/emails"]["get"]
    assert HEADER in [each["name"] for each in operation["parameters"]]
    assert HEADER in operation["responses"]["200"]["headers"]

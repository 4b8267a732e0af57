"""serve/auth/policies.py, serve/auth/authorization.py"""

import pytest
from fastapi import APIRouter, FastAPI

from serve.auth.authorization import Caller
from serve.auth.policies import Role, Scope, permits
from serve.config import ServeConfig
from serve.gateway import application
from storage.control.principal import Principal
from tests.unit.serve.fakes import ANN, access_tokens, authentication, client

TOKENS = access_tokens()


def _app() -> FastAPI:
    router = APIRouter(prefix="/api/v1/things")

    @router.get("/any")
    @permits()
    async def anybody(principal: Caller) -> str:
        return principal.email

    @router.post("/operators")
    @permits(Role.OPERATOR, scope=Scope.CAMPAIGNS)
    async def operators(principal: Caller, body: dict[str, int]) -> str:
        return f"{principal.role} {body}"

    return application("things", [router], ServeConfig(), authentication(TOKENS))


def _bearer(role: str = "owner", *scopes: str) -> dict[str, str]:
    granted = frozenset(scopes) if scopes else None
    principal = Principal(ANN.user_id, ANN.email, ANN.shard_id, role, granted)
    return {"Authorization": f"Bearer {TOKENS.issue(principal)}"}


async def test_a_route_without_a_policy_does_not_start() -> None:
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(TypeError, match="/forgotten"):
        application("things", [router], ServeConfig())


async def test_nothing_of_a_request_is_read_before_its_caller_is_known() -> None:
    async with client(_app()) as http:
        answer = await http.post("/api/v1/things/operators", content=b"{not json")
        refused = await http.post("/api/v1/things/operators", content=b"{not json", headers=_bearer())

    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_required")


@pytest.mark.parametrize(
    ("bearer", "status", "code"),
    [
        (_bearer("operator"), 200, None),
        (_bearer("operator", "campaigns", "mail"), 200, None),
        (_bearer("operator", "mail"), 403, "scope_required"),
        (_bearer("owner", "campaigns"), 403, "role_required"),
        (_bearer("auditor"), 403, "role_required"),
        ({}, 401, "token_invalid"),
    ],
)
async def test_a_role_and_a_scope_must_both_allow_it(bearer: dict[str, str], status: int, code: str | None) -> None:
    async with client(_app()) as http:
        answer = await http.post("/api/v1/things/operators", json={"n": 1}, headers=bearer)

    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code


async def test_a_narrowed_key_may_call_what_asks_for_no_scope() -> None:
    async with client(_app()) as http:
        answer = await http.get("/api/v1/things/any", headers=_bearer("owner", "mail"))

    assert answer.json() == ANN.email


async def test_an_unknown_address_is_not_found_with_and_without_a_token() -> None:
    async with client(_app()) as http:
        answers = [await http.get("/api/v1/things/none", headers=headers) for headers in ({}, _bearer())]

    assert [answer.status_code for answer in answers] == [404, 404]

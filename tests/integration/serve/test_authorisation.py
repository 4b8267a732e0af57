"""Every route, every role, every foreign id: exactly the allowed answers, and 404 for what is another's.

The table says what each role may do in words of its own: it is not made from the policies that it checks. A route
that it does not have fails the test.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from serve.assembly import Assembly, Settings
from storage.campaigns import Campaigns, Member
from tests.integration.serve.conftest import Archive, RecordingOwners
from tests.integration.serve.running import CONFIG, proxied

EVERYBODY = {"owner", "operator", "auditor"}
MAIL = EVERYBODY | {"mail key", "grant"}
KEYS = EVERYBODY | {"keys key"}
WATCH = {"operator", "auditor"}
ROLES = ("owner", "operator", "auditor", "mail key", "keys key", "grant", "nobody")
NOBODY_NEEDED = {*ROLES}


@dataclass(frozen=True)
class Row:
    """Who may call a route. ids: values of its path's parameters, of the caller's own; foreign: of another's."""

    who: set[str]
    body: Any = None
    ids: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    ends: bool = False  # it would end what others need: asked for by those who may not, and for foreign ids


OWN, OTHER = {"email_id": "1"}, {"email_id": "b1"}
TABLE: dict[str, Row] = {
    "GET /": Row(NOBODY_NEEDED),
    "GET /health": Row(NOBODY_NEEDED),
    "GET /ready": Row(NOBODY_NEEDED),
    "GET /metrics": Row(NOBODY_NEEDED),
    "GET /docs": Row(NOBODY_NEEDED),
    "GET /docs/start.js": Row(NOBODY_NEEDED),
    "GET /docs/{name}": Row(NOBODY_NEEDED, ids={"name": "swagger-ui.css"}, foreign={"name": "secrets"}),
    "GET /openapi.json": Row(NOBODY_NEEDED),
    "GET /openapi/{name}.json": Row(NOBODY_NEEDED, ids={"name": "emails"}, foreign={"name": "secrets"}),
    "POST /api/v1/auth/token": Row(NOBODY_NEEDED, body={"api_key": "KEY"}),
    "GET /api/v1/auth/jwks": Row(NOBODY_NEEDED),
    "GET /api/v1/auth/google/login": Row(set()),  # not configured here: 404 for all
    "GET /api/v1/auth/google/callback": Row(set()),
    "POST /api/v1/push/gmail": Row(set(), body={"message": {"data": "e30="}}),
    "POST /api/v1/auth/verify": Row(MAIL | KEYS),
    "POST /api/v1/auth/sign-out": Row(EVERYBODY | {"mail key", "keys key"}),
    "POST /api/v1/auth/sign-out-everywhere": Row(KEYS, ends=True),
    "GET /api/v1/auth/keys": Row(KEYS),
    "POST /api/v1/auth/keys": Row(KEYS, body={}),
    "DELETE /api/v1/auth/keys/{key_id}": Row(KEYS, foreign={"key_id": "FOREIGN_KEY"}, ends=True),
    "POST /api/v1/auth/grants": Row(WATCH, body={"email": "bob@example.com", "reason": "a good one"}),
    "GET /api/v1/auth/grants": Row(KEYS),
    "DELETE /api/v1/auth/grants/{grant_id}": Row(KEYS - {"operator"}, foreign={"grant_id": "FOREIGN_GRANT"}, ends=True),
    "POST /api/v1/auth/grants/{grant_id}/token": Row(WATCH, foreign={"grant_id": "FOREIGN_GRANT"}, ends=True),
    "GET /api/v1/emails": Row(MAIL),
    "GET /api/v1/emails/{email_id}": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/raw": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/html": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/thread": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/attachments": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/attachments/{n}": Row(MAIL, ids={**OWN, "n": "0"}, foreign={**OTHER, "n": "0"}),
    "GET /api/v1/emails/{email_id}/parts/{part}": Row(MAIL, ids={**OWN, "part": "2"}, foreign={**OTHER, "part": "2"}),
    "GET /api/v1/threads/{thread_id}": Row(MAIL, ids={"thread_id": "1"}, foreign={"thread_id": "b1"}),
    "GET /api/v1/labels": Row(MAIL),
    "GET /api/v1/analytics/overview": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/senders": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/recipients": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/domains": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/timeline": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/activity": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/labels": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/storage": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/threads": Row(EVERYBODY | {"grant"}),
    "GET /api/v1/analytics/newsletters": Row(EVERYBODY | {"grant"}),
    "POST /api/v1/sync": Row({"owner", "operator"}, body={"mode": "incremental"}),
    "POST /api/v1/sync/stop": Row({"owner", "operator"}),
    "POST /api/v1/sync/pause": Row({"owner", "operator"}),
    "POST /api/v1/sync/resume": Row({"owner", "operator"}),
    "GET /api/v1/sync/status": Row(EVERYBODY),
    "GET /api/v1/sync/progress": Row(EVERYBODY),
    "GET /api/v1/sync/backfills": Row(WATCH),
    "POST /api/v1/sync/backfills": Row({"operator"}, body={"emails": ["bob@example.com"]}),
    "GET /api/v1/sync/backfills/{campaign_id}": Row(WATCH, ids={"campaign_id": "1"}, foreign={"campaign_id": "99"}),
    "POST /api/v1/sync/backfills/{campaign_id}/cancel": Row({"operator"}, foreign={"campaign_id": "99"}, ends=True),
    "POST /api/v1/sync/backfills/{campaign_id}/resume": Row({"operator"}, foreign={"campaign_id": "99"}, ends=True),
    "GET /api/v1/sync/operations": Row(WATCH),
    "GET /api/v1/sync/operations/{operation_id}": Row(
        WATCH, ids={"operation_id": "backfill-1"}, foreign={"operation_id": "backfill-99"}
    ),
    "GET /api/v1/sync/operations/{operation_id}/progress": Row(
        WATCH, ids={"operation_id": "backfill-1"}, foreign={"operation_id": "backfill-99"}
    ),
    "POST /api/v1/sync/operations/{operation_id}/cancel": Row(
        {"operator"}, foreign={"operation_id": "backfill-99"}, ends=True
    ),
    "GET /api/v1/admin/audit": Row(WATCH),
    "GET /api/v1/admin/users": Row(WATCH),
    "GET /api/v1/admin/analytics/overview": Row({"operator"}),
    "GET /api/v1/admin/analytics/timeline": Row({"operator"}),
    "GET /api/v1/admin/analytics/storage": Row({"operator"}),
}


def _attached(subject: str) -> bytes:
    return (
        f"From: Friend <friend@{subject}.example>\r\nSubject: {subject}\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        "--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nfile\r\n--b--\r\n"
    ).encode()


class World:
    """A gateway, and a token for every role; each role's user has a message 1, bob has b1."""

    def __init__(self, archive: Archive, http: httpx.AsyncClient, routes: list[Route]) -> None:
        self.archive, self.http, self.routes = archive, http, routes
        self.headers: dict[str, dict[str, str]] = {"nobody": {}}
        self.values: dict[str, str] = {}

    async def fill(self) -> None:
        bob, bobs = self.archive.add_user("bob@example.com")
        self.archive.commit(bob, [(0xB1, ["INBOX"], _attached("bobs-secret"))], thread_id=0xB1)
        for role in ("owner", "operator", "auditor"):
            user, key = self.archive.add_user(f"{role}@example.com", role)
            self.archive.commit(user, [(1, ["INBOX"], _attached(f"{role}-mail"))], thread_id=1)
            self.headers[role] = await self.sign_in(key)
            self.values.setdefault("KEY", key)
            if role == "operator":
                campaigns = Campaigns(self.archive.databases.control)
                campaign, _ = campaigns.begin("full", [Member(user)], user.email)
                campaigns.cancel(campaign.campaign_id)
                campaigns.end(campaign.campaign_id, campaigns.get(campaign.campaign_id).state.CANCELLED)
        for scope in ("mail", "keys"):
            made = await self.post("/api/v1/auth/keys", "owner", {"scopes": [scope]})
            self.headers[f"{scope} key"] = await self.sign_in(made["api_key"])
        grant = await self.post("/api/v1/auth/grants", "auditor", {"email": "owner@example.com", "reason": "a test"})
        token = await self.post(f"/api/v1/auth/grants/{grant['grant_id']}/token", "auditor", None)
        self.headers["grant"] = {"Authorization": f"Bearer {token['access_token']}"}

        bobs_headers = await self.sign_in(bobs)
        self.headers["bob"] = bobs_headers
        foreign = await self.post("/api/v1/auth/keys", "bob", {})
        self.values["FOREIGN_KEY"] = foreign["key_id"]
        eve = self.archive.add_user("eve@example.com", "auditor")[1]
        self.headers["eve"] = await self.sign_in(eve)
        over_bob = await self.post("/api/v1/auth/grants", "eve", {"email": "bob@example.com", "reason": "another"})
        self.values["FOREIGN_GRANT"] = over_bob["grant_id"]

    async def sign_in(self, key: str) -> dict[str, str]:
        answer = await self.http.post("/api/v1/auth/token", json={"api_key": key})
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def post(self, path: str, role: str, body: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=self.headers[role])
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ask(self, name: str, role: str, ids: dict[str, str], body: Any) -> httpx.Response:
        method, path = name.split(" ")
        path = path.format(**{key: self.values.get(value, value) for key, value in ids.items()})
        if isinstance(body, dict):
            body = {key: self.values.get(str(value), value) for key, value in body.items()}
        return await self.http.request(method, path, json=body, headers=self.headers[role])


@pytest.fixture
async def world(archive: Archive) -> AsyncIterator[World]:
    assembly = Assembly(Settings(archive.backup, CONFIG), RecordingOwners(live={"active": False}))
    names = ("auth", "emails", "sync", "analytics", "push", "root")
    routes = [route for name in names for route in getattr(assembly, name)().state.routes]
    transport = httpx.ASGITransport(proxied(assembly))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        world = World(archive, http, routes)
        await world.fill()
        yield world
    assembly.close()


@pytest.mark.timeout(120)
async def test_everybody_gets_exactly_what_they_may(world: World) -> None:
    names = {f"{method} {route.path}" for route in world.routes for method in (route.methods or set()) - {"HEAD"}}
    assert names == TABLE.keys()

    wrong = []
    for name, row in TABLE.items():
        for role in ROLES:
            ids = row.foreign if row.ends and role in row.who else row.ids or row.foreign
            if row.ends and role in row.who and not row.foreign:
                continue
            answer = await world.ask(name, role, ids, row.body)
            expected = _expected(name, row, role, ids)
            if answer.status_code not in expected:
                wrong.append(f"{role}: {name}: {answer.status_code}, not {expected}: {answer.text[:120]}")
            if name == "POST /api/v1/sync/pause" and answer.is_success:
                await world.ask("POST /api/v1/sync/resume", role, {}, None)
    assert not wrong, "\n".join(wrong)


def _expected(name: str, row: Row, role: str, ids: dict[str, str]) -> set[int]:
    if not row.who:
        return {404}
    if role == "nobody" and role not in row.who:
        return {401}
    if role not in row.who:
        return {200} if name == "DELETE /api/v1/auth/grants/{grant_id}" and role == "operator" else {403}  # any grant
    if row.foreign and ids is row.foreign:
        return {404}
    return {200, 201, 202, 204, 503} if name == "GET /ready" or "backfills" in name else {200, 201, 202, 204}


async def test_another_s_ids_name_nothing(world: World) -> None:
    wrong = []
    for name, row in TABLE.items():
        for role in row.who - {"nobody"} if row.foreign else ():
            answer = await world.ask(name, role, row.foreign, row.body)
            if answer.status_code != 404 or "bobs-secret" in answer.text:
                wrong.append(f"{role}: {name}: {answer.status_code}: {answer.text[:120]}")
    assert not wrong, "\n".join(wrong)


async def test_no_list_shows_anothers_mail(world: World) -> None:
    for name, row in TABLE.items():
        if not name.startswith("GET /api/v1/") or row.foreign:
            continue
        for role in row.who - {"nobody"}:
            answer = await world.ask(name, role, {}, None)
            assert "bobs-secret" not in answer.text, f"{role}: {name}"
            if role in ("owner", "mail key", "keys key", "grant"):
                assert "bob@example.com" not in answer.text, f"{role}: {name}"


def test_the_table_is_stricter_than_nothing() -> None:
    assert len(TABLE) > 45
    assert sum(bool(row.foreign) for row in TABLE.values()) > 15

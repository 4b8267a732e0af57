"""Every route, every role, every foreign id: exactly the allowed answers, and 404 for what is another's.

The table says what each role may do in words of its own: it is not made from the policies that it checks. A route
that it does not have fails the test. A "mail key" is a key that was narrowed to the scope of that name.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from serve.assembly import Assembly
from serve.auth import api_keys
from serve.auth.cookies import CSRF_HEADER
from serve.ops import web
from serve.settings import Settings
from storage.control.campaigns import Campaigns, CampaignState, Member
from storage.control.restore_records import Selection
from storage.control.restores import Restores
from storage.db.audit import Audit
from storage.files.blobs import open_blobs
from storage.files.kept_answers import KeptAnswers
from storage.model.records import User
from tests.integration.serve.conftest import Archive, RecordingOwners
from tests.integration.serve.running import CONFIG, Jobs

EVERYBODY = {"owner", "operator", "auditor"}
OPERATORS_KEYS = ("campaigns key", "audit key")
NARROWED = ("mail key", "analytics key", "sync key", "keys key", "events key", "restore key", *OPERATORS_KEYS)
ROLES = ("owner", "operator", "auditor", *NARROWED, "grant", "restore grant", "nobody")
SIGNED_IN = EVERYBODY | {*NARROWED}
MAIL = EVERYBODY | {"mail key", "grant", "restore grant"}
NUMBERS = EVERYBODY | {"analytics key", "grant", "restore grant"}
SYNC = {"owner", "operator", "sync key"}
KEYS = EVERYBODY | {"keys key"}
CAMPAIGNS = {"operator", "campaigns key"}
WATCH = CAMPAIGNS | {"auditor"}
RESTORE = {"restore key", "restore grant"}
AUDIT = {"operator", "auditor", "audit key"}
EVENTS = EVERYBODY | {"events key"}
WEBHOOKS = {"owner", "operator", "events key"}
HOOK, FOREIGN_HOOK = {"webhook_id": "NEW_WEBHOOK"}, {"webhook_id": "FOREIGN_WEBHOOK"}
#: They do not end: tests/integration/serve/events reads them over HTTP.
STREAMS = ("GET /api/v1/events/stream", "GET /api/v1/admin/events/stream")
NOBODY_NEEDED = {*ROLES}


@dataclass(frozen=True)
class Row:
    """Who may call a route.

    ids: values of its path's parameters, of the caller's own. foreign: of another's. ends: it would end what others
    need, so those who may call it come as somebody of their own (`World.enter`). refused: the answer to everybody of a
    route that nobody here may call.
    """

    who: set[str]
    body: Any = None
    ids: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    ends: bool = False
    refused: int = 404


#: The interface's icon, whose name contains a hash.
ICON = next(name for name in web.files() if name.endswith(".svg"))
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
    "GET /assets/{name}": Row(NOBODY_NEEDED, ids={"name": ICON}, foreign={"name": "index.html"}),
    **{f"GET /{view}": Row(NOBODY_NEEDED) for view in web.VIEWS},
    "GET /openapi/{name}.json": Row(NOBODY_NEEDED, ids={"name": "emails"}, foreign={"name": "secrets"}),
    "POST /api/v1/auth/token": Row(NOBODY_NEEDED, body={"api_key": "KEY"}),
    "POST /api/v1/auth/session": Row(NOBODY_NEEDED, body={"api_key": "KEY"}),
    "GET /api/v1/auth/session": Row(NOBODY_NEEDED),
    "POST /api/v1/auth/session/refresh": Row(set(), refused=401),  # nobody here has the cookie
    "DELETE /api/v1/auth/session": Row(NOBODY_NEEDED),
    "GET /api/v1/auth/jwks": Row(NOBODY_NEEDED),
    "GET /api/v1/auth/google/login": Row(set()),  # not configured here: 404 for all
    "GET /api/v1/auth/google/callback": Row(set()),
    "POST /api/v1/push/gmail": Row(set(), body={"message": {"data": "e30="}}),
    "POST /api/v1/auth/verify": Row(SIGNED_IN | {"grant", "restore grant"}),
    "POST /api/v1/auth/sign-out": Row(SIGNED_IN, ends=True),
    "POST /api/v1/auth/sign-out-everywhere": Row(KEYS, ends=True),
    "GET /api/v1/auth/keys": Row(KEYS),
    "POST /api/v1/auth/keys": Row(KEYS, body={}),
    "DELETE /api/v1/auth/keys/{key_id}": Row(
        KEYS, ids={"key_id": "NEW_KEY"}, foreign={"key_id": "FOREIGN_KEY"}, ends=True
    ),
    # A grant is no wider than the key that asks for it: one for audit alone gets none.
    "POST /api/v1/auth/grants": Row(AUDIT - {"audit key"}, body={"email": "bob@example.com", "reason": "a good one"}),
    "GET /api/v1/auth/grants": Row(KEYS),
    "DELETE /api/v1/auth/grants/{grant_id}": Row(
        KEYS, ids={"grant_id": "NEW_GRANT"}, foreign={"grant_id": "FOREIGN_GRANT"}, ends=True
    ),
    "POST /api/v1/auth/grants/{grant_id}/token": Row(
        AUDIT - {"audit key"}, ids={"grant_id": "NEW_GRANT"}, foreign={"grant_id": "FOREIGN_GRANT"}, ends=True
    ),
    "GET /api/v1/emails": Row(MAIL),
    "GET /api/v1/emails/{email_id}": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/raw": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/html": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/thread": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/attachments": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/emails/{email_id}/attachments/{n}": Row(MAIL, ids={**OWN, "n": "0"}, foreign={**OTHER, "n": "0"}),
    "GET /api/v1/emails/{email_id}/parts/{part}": Row(MAIL, ids={**OWN, "part": "2"}, foreign={**OTHER, "part": "2"}),
    "PUT /api/v1/emails/{email_id}/judgement": Row(
        EVERYBODY | {"mail key", "sync key"}, body={"spam": False}, ids=OWN, foreign=OTHER
    ),
    "GET /api/v1/threads/{thread_id}": Row(MAIL, ids={"thread_id": "1"}, foreign={"thread_id": "b1"}),
    "GET /api/v1/labels": Row(MAIL),
    "GET /api/v1/analytics/overview": Row(NUMBERS),
    "GET /api/v1/analytics/senders": Row(NUMBERS),
    "GET /api/v1/analytics/recipients": Row(NUMBERS),
    "GET /api/v1/analytics/domains": Row(NUMBERS),
    "GET /api/v1/analytics/timeline": Row(NUMBERS),
    "GET /api/v1/analytics/activity": Row(NUMBERS),
    "GET /api/v1/analytics/labels": Row(NUMBERS),
    "GET /api/v1/analytics/storage": Row(NUMBERS),
    "GET /api/v1/analytics/threads": Row(NUMBERS),
    "GET /api/v1/analytics/newsletters": Row(NUMBERS),
    "GET /api/v1/analytics/categories": Row(NUMBERS),
    "GET /api/v1/analytics/languages": Row(NUMBERS),
    "GET /api/v1/analytics/sentiment": Row(NUMBERS),
    "GET /api/v1/analytics/security": Row(NUMBERS),
    "GET /api/v1/analytics/report": Row(NUMBERS),
    "POST /api/v1/analytics/query": Row(MAIL, body={"sql": "SELECT subject FROM messages"}),
    "POST /api/v1/sync": Row(SYNC, body={"mode": "incremental"}),
    "POST /api/v1/sync/stop": Row(SYNC),
    "POST /api/v1/sync/pause": Row(SYNC),
    "POST /api/v1/sync/resume": Row(SYNC),
    "GET /api/v1/sync/status": Row(SYNC | {"auditor"}),
    "GET /api/v1/sync/failures": Row(SYNC | {"auditor"}),
    "GET /api/v1/sync/failures/{email_id}/received": Row(MAIL, ids=OWN, foreign=OTHER),
    "GET /api/v1/sync/progress": Row(SYNC | {"auditor"}),
    "GET /api/v1/sync/backfills": Row(WATCH),
    "POST /api/v1/sync/backfills": Row(CAMPAIGNS, body={"emails": ["bob@example.com"]}),
    "GET /api/v1/sync/backfills/{campaign_id}": Row(WATCH, ids={"campaign_id": "1"}, foreign={"campaign_id": "99"}),
    "POST /api/v1/sync/backfills/{campaign_id}/cancel": Row(
        CAMPAIGNS, ids={"campaign_id": "NEW_CAMPAIGN"}, foreign={"campaign_id": "99"}, ends=True
    ),
    "POST /api/v1/sync/backfills/{campaign_id}/resume": Row(
        CAMPAIGNS, ids={"campaign_id": "NEW_CAMPAIGN"}, foreign={"campaign_id": "99"}, ends=True
    ),
    "GET /api/v1/sync/restores": Row(RESTORE | SYNC),
    "POST /api/v1/sync/restores": Row(RESTORE, body={"query": "from:friend"}, ends=True),
    **{
        f"{method} /api/v1/sync/restores/{{restore_id}}{action}": Row(
            who, ids={"restore_id": "NEW_RESTORE"}, foreign={"restore_id": "FOREIGN_RESTORE"}, ends=True
        )
        for method, action, who in (
            ("GET", "", RESTORE | SYNC),
            ("GET", "/report", RESTORE | SYNC),
            ("POST", "/pause", RESTORE | SYNC),
            ("POST", "/cancel", RESTORE | SYNC),
            ("POST", "/resume", RESTORE),
        )
    },
    "GET /api/v1/sync/operations": Row(WATCH),
    "GET /api/v1/sync/operations/{operation_id}": Row(
        WATCH, ids={"operation_id": "backfill-1"}, foreign={"operation_id": "backfill-99"}
    ),
    "GET /api/v1/sync/operations/{operation_id}/progress": Row(
        WATCH, ids={"operation_id": "backfill-1"}, foreign={"operation_id": "backfill-99"}
    ),
    "POST /api/v1/sync/operations/{operation_id}/cancel": Row(
        CAMPAIGNS, ids={"operation_id": "NEW_OPERATION"}, foreign={"operation_id": "backfill-99"}, ends=True
    ),
    "GET /api/v1/events": Row(EVENTS),
    "GET /api/v1/events/stream": Row(EVENTS),
    "GET /api/v1/events/types": Row(SIGNED_IN),
    "GET /api/v1/admin/events": Row({"operator", "auditor"}),
    "GET /api/v1/admin/events/stream": Row({"operator", "auditor"}),
    "GET /api/v1/webhooks": Row(WEBHOOKS),
    "POST /api/v1/webhooks": Row(WEBHOOKS, body={"url": "https://hooks.example/gbm"}),
    "DELETE /api/v1/webhooks/{webhook_id}": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "POST /api/v1/webhooks/{webhook_id}/enable": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "POST /api/v1/webhooks/{webhook_id}/test": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "GET /api/v1/webhooks/{webhook_id}/deliveries": Row(WEBHOOKS, ids=HOOK, foreign=FOREIGN_HOOK, ends=True),
    "GET /api/v1/admin/audit": Row(AUDIT),
    "GET /api/v1/admin/users": Row(AUDIT),
    "GET /api/v1/admin/analytics/overview": Row({"operator"}),
    "GET /api/v1/admin/analytics/timeline": Row({"operator"}),
    "GET /api/v1/admin/analytics/storage": Row({"operator"}),
    "GET /api/v1/admin/analytics/activity": Row({"operator"}),
    "GET /api/v1/admin/analytics/labels": Row({"operator"}),
    "GET /api/v1/admin/analytics/analysis/{question}": Row({"operator"}, ids={"question": "categories"}),
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
        self.campaigns, self.restores = Campaigns(archive.databases.control), Restores(archive.databases.control)
        self.headers: dict[str, dict[str, str]] = {"nobody": {}}
        self.values: dict[str, str] = {}
        self._entered = 0

    async def fill(self) -> None:
        bob, bobs = self.archive.add_user("bob@example.com")
        self.archive.commit(bob, [(0xB1, ["INBOX"], _attached("bobs-secret"))], thread_id=0xB1)
        kept = KeptAnswers(open_blobs(self.archive.backup.archive.uri))
        kept.keep(bob.user_id, 0xB1, b'{"raw": "bobs-secret"}')
        for role in ("owner", "operator", "auditor"):
            user, key = self.archive.add_user(f"{role}@example.com", role)
            self.archive.commit(user, [(1, ["INBOX"], _attached(f"{role}-mail"))], thread_id=1)
            kept.keep(user.user_id, 1, b'{"raw": ""}')
            self.headers[role] = await self.sign_in(key)
            self.values.setdefault("KEY", key)
            if role == "operator":
                self.campaigns.cancel(self._campaign(user))
                self.campaigns.end(1, CampaignState.CANCELLED)
        for name in NARROWED:
            owner = self.headers["operator" if name in OPERATORS_KEYS else "owner"]
            self.headers[name] = await self._narrowed(name, owner)
        self.headers["grant"] = await self._granted("owner@example.com")
        self.headers["restore grant"] = await self._granted_to_restore("owner@example.com")
        self.values["FOREIGN_RESTORE"] = str(self.restores.begin(bob, bob, Selection(), "bob").restore_id)

        bobs_header = await self.sign_in(bobs)
        self.values["FOREIGN_KEY"] = (await self.post("/api/v1/auth/keys", bobs_header, {}))["key_id"]
        hook = await self.post("/api/v1/webhooks", bobs_header, {"url": "https://hooks.example/bobs-secret"})
        self.values["FOREIGN_WEBHOOK"] = hook["id"]
        eve = await self.sign_in(self.archive.add_user("eve@example.com", "auditor")[1])
        self.values["FOREIGN_GRANT"] = await self._grant(eve, "bob@example.com")

    async def enter(self, role: str, begins: bool = True) -> tuple[dict[str, str], dict[str, str]]:
        """The header of somebody new who has a role, and the ids of things of theirs: a key, a grant, a campaign, and
        unless one is to be begun, a restore.
        """
        self._entered += 1
        email = f"new{self._entered}@example.com"
        kind = role if role in EVERYBODY else "operator" if role in OPERATORS_KEYS else "owner"
        user, key = self.archive.add_user(email, kind)
        whole = await self.sign_in(key)
        over_me = await self._grant(self.headers["auditor"], email)
        over_bob = await self._grant(whole, "bob@example.com") if kind != "owner" else over_me
        campaign = self._campaign(user)
        values = {
            "NEW_KEY": (await self.post("/api/v1/auth/keys", whole, {}))["key_id"],
            "NEW_GRANT": over_bob,
            "NEW_CAMPAIGN": str(campaign),
            "NEW_OPERATION": f"backfill-{campaign}",
        }
        if role in WEBHOOKS:
            hook = await self.post("/api/v1/webhooks", whole, {"url": "https://hooks.example/gbm"})
            values["NEW_WEBHOOK"] = hook["id"]
        if role in RESTORE | SYNC:
            values["NEW_RESTORE"] = "none"
            if begins:  # two at a time into one mailbox are refused
                values["NEW_RESTORE"] = str(self.restores.begin(user, user, Selection(), email).restore_id)
        if role == "restore grant":
            return await self._granted_to_restore(email), values
        return (await self._narrowed(role, whole) if role in NARROWED else whole), values

    def _campaign(self, user: User) -> int:
        return self.campaigns.begin("full", [Member(user)], user.email)[0].campaign_id

    async def _narrowed(self, name: str, owner: dict[str, str]) -> dict[str, str]:
        if name == "restore key":  # made at the command line alone
            claims = await self.post("/api/v1/auth/verify", owner, None)
            return await self.sign_in(self._key(claims["email"], "owner", "restore"))
        body = {"scopes": [name.removesuffix(" key")], "role": "operator" if name in OPERATORS_KEYS else "owner"}
        made = await self.post("/api/v1/auth/keys", owner, body)
        return await self.sign_in(made["api_key"])

    def _key(self, email: str, role: str, *scopes: str) -> str:
        key, control = api_keys.new_key(), self.archive.control
        control.save_key(key.key_id, control.user(email).user_id, role, key.secret_hash, None, frozenset(scopes))
        return key.text.get_secret_value()

    async def _granted_to_restore(self, email: str) -> dict[str, str]:
        key = self._key("operator@example.com", "operator", "restore", "audit", "mail", "analytics")
        operator = await self.sign_in(key)
        made = await self.post(
            "/api/v1/auth/grants", operator, {"email": email, "reason": "it was robbed", "restore": True}
        )
        token = await self.post(f"/api/v1/auth/grants/{made['grant_id']}/token", operator, None)
        return {"Authorization": f"Bearer {token['access_token']}"}

    async def _grant(self, reader: dict[str, str], email: str) -> str:
        made = await self.post("/api/v1/auth/grants", reader, {"email": email, "reason": "a test"})
        return str(made["grant_id"])

    async def _granted(self, email: str) -> dict[str, str]:
        grant = await self._grant(self.headers["auditor"], email)
        token = await self.post(f"/api/v1/auth/grants/{grant}/token", self.headers["auditor"], None)
        return {"Authorization": f"Bearer {token['access_token']}"}

    async def sign_in(self, key: str) -> dict[str, str]:
        answer = await self.http.post("/api/v1/auth/token", json={"api_key": key})
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def post(self, path: str, headers: dict[str, str], body: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ask(
        self, name: str, headers: dict[str, str], ids: dict[str, str], body: Any, values: dict[str, str] | None = None
    ) -> httpx.Response:
        values = {**self.values, **(values or {})}
        method, path = name.split(" ")
        path = path.format(**{key: values.get(value, value) for key, value in ids.items()})
        if isinstance(body, dict):
            body = {key: values.get(str(value), value) for key, value in body.items()}
        return await self.http.request(method, path, json=body, headers={CSRF_HEADER: "a page of ours", **headers})


@pytest.fixture
async def world(archive: Archive) -> AsyncIterator[World]:
    assembly = Assembly(Settings(archive.backup, CONFIG), RecordingOwners(live={"active": False}), Jobs())
    names = ("auth", "emails", "sync", "analytics", "push", "root")
    routes = [route for name in names for route in getattr(assembly, name)().state.routes]
    transport = httpx.ASGITransport(assembly.together())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        world = World(archive, http, routes)
        await world.fill()
        yield world
    assembly.close()


async def test_every_role_may_call_exactly_its_operations(world: World) -> None:
    names = {f"{method} {route.path}" for route in world.routes for method in (route.methods or set()) - {"HEAD"}}
    assert names == TABLE.keys()

    wrong = []
    for name, row in TABLE.items():
        for role in ROLES:
            if name in STREAMS and role in row.who:
                continue
            headers, values = world.headers[role], None
            if row.ends and role in row.who:
                headers, values = await world.enter(role, begins=name != "POST /api/v1/sync/restores")
            answer = await world.ask(name, headers, row.ids or row.foreign, row.body, values)
            if not _as_expected(answer, expected := _expected(row, role), row.refused):
                wrong.append(f"{role}: {name}: {answer.status_code}, not {expected}: {answer.text[:120]}")
            if name == "POST /api/v1/sync/pause" and answer.is_success:
                await world.ask("POST /api/v1/sync/resume", headers, {}, None)
    assert not wrong, "\n".join(wrong)


def _expected(row: Row, role: str) -> str:
    if not row.who:
        return "not there"
    if role in row.who:
        return "done"
    return "not signed in" if role == "nobody" else "not allowed"


def _as_expected(answer: httpx.Response, expected: str, refused: int) -> bool:
    if expected == "done":
        return answer.is_success
    code = answer.json().get("code")
    if expected == "not there":
        return answer.status_code == refused
    if expected == "not signed in":
        return (answer.status_code, code) == (401, "token_invalid")
    return answer.status_code == 403 and code in ("role_required", "scope_required")


async def test_another_s_ids_name_nothing(world: World) -> None:
    wrong = []
    for name, row in TABLE.items():
        for role in row.who - {"nobody"} if row.foreign else ():
            if name == "DELETE /api/v1/auth/grants/{grant_id}" and role == "operator":
                continue  # an operator ends any grant: test_access.py
            answer = await world.ask(name, world.headers[role], row.foreign, row.body)
            if answer.status_code != 404 or "bobs-secret" in answer.text:
                wrong.append(f"{role}: {name}: {answer.status_code}: {answer.text[:120]}")

    users = world.archive.control
    owner, eve = users.user("owner@example.com"), users.user("eve@example.com")
    for source, target in ((owner, eve), (eve, owner)):  # begun at the command line
        between = str(world.restores.begin(source, target, Selection(), "an administrator").restore_id)
        for name, row in TABLE.items():
            for role in row.who if "restore_id" in row.foreign else ():
                answer = await world.ask(name, world.headers[role], row.foreign, None, {"FOREIGN_RESTORE": between})
                if answer.status_code != 404:
                    wrong.append(f"{role}: {name} of {source.email} into {target.email}: {answer.status_code}")
        for role in RESTORE:
            listed = (await world.ask("GET /api/v1/sync/restores", world.headers[role], {}, None)).json()["items"]
            wrong += [f"{role}: {between} is listed" for each in listed if each["id"] == between]
    assert not wrong, "\n".join(wrong)
    answer = await world.ask(
        "POST /api/v1/sync/operations/{operation_id}/cancel",
        world.headers["operator"],
        {"operation_id": f"restore-{between}"},
        None,
    )
    assert answer.json()["state"] == "cancelling"
    [entry] = [
        each
        for each in Audit(world.archive.databases.control).entries(action="restore.cancel")
        if str(each.detail["restore"]) == between
    ]
    assert entry.actor == "operator@example.com", "the audit log names who cancelled it"


async def test_no_list_shows_anothers_mail(world: World) -> None:
    for name, row in TABLE.items():
        if not name.startswith("GET /api/v1/") or row.foreign or name in STREAMS:
            continue
        for role in row.who - {"nobody"}:
            answer = await world.ask(name, world.headers[role], row.ids, None)
            assert "bobs-secret" not in answer.text, f"{role}: {name}"
            if role in ("owner", "mail key", "analytics key", "sync key", "keys key", "grant"):
                assert "bob@example.com" not in answer.text, f"{role}: {name}"


async def test_a_key_restores_only_if_it_was_made_for_that(world: World) -> None:
    answer = await world.ask("POST /api/v1/auth/keys", world.headers["owner"], {}, {"scopes": ["restore"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_required")
    grant = {"email": "bob@example.com", "reason": "it was robbed", "restore": True}
    for role in ("operator", "auditor"):
        answer = await world.ask("POST /api/v1/auth/grants", world.headers[role], {}, grant)
        assert answer.status_code == 403, role


def test_the_table_is_stricter_than_nothing() -> None:
    assert len(TABLE) > 45
    assert sum(bool(row.foreign) for row in TABLE.values()) > 15

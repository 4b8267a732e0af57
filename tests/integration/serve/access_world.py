"""A gateway with a caller of every role, for the tests of authorisation."""

from typing import Any

import httpx
from starlette.routing import Route

from serve.auth import api_keys
from serve.auth.cookies import CSRF_HEADER
from storage.control.campaigns import Campaigns, CampaignState, Member
from storage.control.restore_records import Selection
from storage.control.restores import Restores
from storage.files.blobs import open_blobs
from storage.files.kept_answers import KeptAnswers
from storage.model.records import User
from tests.integration.serve.access_table import EVERYBODY, NARROWED, OPERATORS_KEYS, RESTORE, SYNC, WEBHOOKS
from tests.integration.serve.conftest import Archive


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

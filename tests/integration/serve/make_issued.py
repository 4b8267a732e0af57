"""Makes what this version issues, to be kept for the next: `python -m tests.integration.serve.make_issued VERSION`.

issued/VERSION.tar.xz has an archive and a backup of its databases. issued/VERSION.json has the sealing key, and keys,
tokens, grants and cursors as the gateway gave them, each with the answer that it got: see test_issued.py.
"""

import json
import sys
import tarfile
import time
from pathlib import Path
from shutil import rmtree
from typing import Any

import httpx
from pydantic import SecretStr

from actors.config import BackupConfig
from serve.config import GoogleConfig
from storage.config import ArchiveConfig, PostgresConfig
from storage.control.sealing import new_key
from storage.db.migrate import create_database
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.recovery.dump import back_up
from storage.replication.session_token import SessionToken, WalPosition
from tests.conftest import memory_home
from tests.integration.serve.conftest import Archive, mail
from tests.integration.serve.running import CONFIG, running

FOLDER = Path(__file__).parent / "issued"
#: Sign-in with Google at an address where nobody answers.
GOOGLE = GoogleConfig(
    client_id="client",
    client_secret=SecretStr("secret"),
    redirect_uri="http://127.0.0.1:1/callback",
    token_uri="http://127.0.0.1:1/token",
)
WITH_GOOGLE = CONFIG.model_copy(update={"google": GOOGLE})
_IDS = ("id", "key_id", "grant_id")


def main(version: str) -> None:
    """Make the two files."""
    home = memory_home()
    try:
        with EmbeddedPostgres(home / "postgres", EmbeddedConfig()) as server:
            names = ("control", "shard0", "shard1")
            for name in names:
                create_database(server.dsn(name))
            control, *shards = (SecretStr(server.dsn(name)) for name in names)
            sealing_key = new_key()
            archive = Archive(
                BackupConfig(
                    cluster="test",
                    archive=ArchiveConfig(uri=f"file://{home}/archive"),
                    postgres=PostgresConfig(control_dsn=control, shard_dsns=tuple(shards)),
                    sealing_key=SecretStr(sealing_key),
                )
            )
            keys = _fill(archive)
            with running(archive, WITH_GOOGLE) as url, httpx.Client(base_url=url, timeout=60) as client:
                document = {"version": version, "sealing_key": sealing_key, **_Issuing(client, keys).all()}
            back_up(archive.databases, home / "backup")
            archive.databases.close()
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{version}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        with tarfile.open(FOLDER / f"{version}.tar.xz", "w:xz") as tar:
            for name in ("archive", "backup"):
                tar.add(home / name, name)
    finally:
        rmtree(home)


def _fill(archive: Archive) -> dict[str, str]:
    """Mail of two owners; returns the text of a key for each user."""
    ann, ann_key = archive.add_user("ann@example.com")
    bob, bob_key = archive.add_user("bob@example.com")
    archive.commit(ann, [(n, ["INBOX", "UNREAD"], mail(f"Parrot {n}", "parrot " * n)) for n in range(1, 9)])
    archive.commit(ann, [(n, ["INBOX"], mail(f"Thread {n}")) for n in range(20, 25)], thread_id=20)
    archive.commit(bob, [(30, ["INBOX"], mail("Hello"))])
    keys = {"owner": ann_key, "other": bob_key}
    for role in ("operator", "auditor"):
        keys[role] = archive.add_user(f"{role}@example.com", role)[1]
    return keys


class _Issuing:
    """Has everything issued that this version issues."""

    def __init__(self, client: httpx.Client, keys: dict[str, str]) -> None:
        self._client, self._keys = client, keys
        self._access: dict[str, str] = {}
        self._secrets: list[dict[str, Any]] = []
        self._requests: list[dict[str, Any]] = []

    def all(self) -> dict[str, Any]:
        """Secrets to trade, access tokens, and requests with their answers."""
        issued_at = time.time()
        for name, key in self._keys.items():
            self._signed_in(name, key)
        self._keys_over_http()
        self._refresh_tokens()
        self._grants()
        self._campaigns()
        self._lists()
        self._signing_in()
        return {
            "issued_at": issued_at,
            "secrets": self._secrets,
            "access": self._access,
            "requests": self._requests,
        }

    def _signed_in(self, name: str, key: str) -> dict[str, Any]:
        answer = self._traded(f"key of {name}", api_key=key)
        self._access[name] = answer["access_token"]
        return answer

    def _traded(self, name: str, status: int = 200, **body: str) -> dict[str, Any]:
        answer = self._client.post("/api/v1/auth/token", json=body)
        assert answer.status_code == status, answer.text
        self._secrets.append({"name": name, "body": body, "status": status})
        found: dict[str, Any] = answer.json()
        return found

    def _post(self, name: str, path: str, status: int = 201, **options: Any) -> dict[str, Any]:
        answer = self._client.post(path, headers=self._header(name), **options)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _asked(self, name: str, method: str, path: str, status: int = 200, **options: Any) -> dict[str, Any]:
        """Send a request, and keep it with what it was answered."""
        given = {"headers": {**self._header(name), **options.pop("headers", {})}, **options}
        answer = self._client.request(method, path, **given)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text}"
        del given["headers"]["Authorization"]
        body = answer.json() if answer.content else {}
        self._requests.append(
            {"as": name, "method": method, "path": path, **given, "status": status, "ids": ids_of(body)}
        )
        return {**body, "etag": answer.headers.get("ETag")}

    def _header(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access[name]}"}

    def _keys_over_http(self) -> None:
        scoped = self._post("owner", "/api/v1/auth/keys", json={"scopes": ["mail"], "expires_in": 86_400})
        self._signed_in("scoped", scoped["api_key"])
        ended = self._post("owner", "/api/v1/auth/keys", json={})
        self._client.delete(f"/api/v1/auth/keys/{ended['key_id']}", headers=self._header("owner"))
        self._traded("revoked key", 401, api_key=ended["api_key"])
        self._asked("owner", "GET", "/api/v1/auth/keys")
        self._asked("scoped", "GET", "/api/v1/auth/keys", 403)

    def _refresh_tokens(self) -> None:
        first = self._signed_in("refreshed", self._keys["other"])["refresh_token"]
        second = self._client.post("/api/v1/auth/token", json={"refresh_token": first}).json()["refresh_token"]
        self._secrets.append({"name": "fresh refresh token", "body": {"refresh_token": second}, "status": 200})
        self._secrets.append({"name": "used refresh token", "body": {"refresh_token": first}, "status": 401})
        out = self._client.post("/api/v1/auth/token", json={"api_key": self._keys["other"]}).json()
        self._client.post("/api/v1/auth/sign-out", headers={"Authorization": f"Bearer {out['access_token']}"})
        self._traded("refresh token that signed out", 401, refresh_token=out["refresh_token"])

    def _grants(self) -> None:
        asked = {"email": "ann@example.com", "reason": "as she asked", "expires_in": 3600}
        alive = self._post("operator", "/api/v1/auth/grants", json=asked)["grant_id"]
        ended = self._post("operator", "/api/v1/auth/grants", json=asked)["grant_id"]
        self._client.delete(f"/api/v1/auth/grants/{ended}", headers=self._header("owner"))
        tokens = self._post("operator", f"/api/v1/auth/grants/{alive}/token", 200)
        self._access["granted"] = tokens["access_token"]
        self._asked("granted", "GET", "/api/v1/emails?limit=3")
        self._asked("granted", "POST", "/api/v1/sync", 403, json={"mode": "full"})
        self._asked("owner", "GET", "/api/v1/auth/grants")
        self._asked("operator", "POST", f"/api/v1/auth/grants/{alive}/token")
        self._asked("operator", "POST", f"/api/v1/auth/grants/{ended}/token", 404)

    def _campaigns(self) -> None:
        for number, emails in enumerate((["ann@example.com"], ["bob@example.com"])):
            again = {"headers": {"Idempotency-Key": f"key {number}"}, "json": {"emails": emails}}
            self._asked("operator", "POST", "/api/v1/sync/backfills", 202, **again)
        self._asked(
            "operator", "POST", "/api/v1/sync/backfills", 422, **{**again, "json": {"emails": ["ann@example.com"]}}
        )
        for path in ("/api/v1/sync/backfills?limit=1", "/api/v1/sync/operations?kind=backfill&limit=1"):
            self._following("operator", path)
        [operation] = self._requests[-1]["ids"]
        self._asked("operator", "GET", f"/api/v1/sync/operations/{operation}")

    def _lists(self) -> None:
        for path in (
            "/api/v1/emails?limit=3",
            "/api/v1/emails?limit=2&q=parrot",
            "/api/v1/emails?limit=2&q=parrot&sort=relevance",
            "/api/v1/emails?limit=3&include_deleted=true&include_spam_trash=true",
            "/api/v1/threads/14?limit=2",
        ):
            self._following("owner", path)
        self._following("operator", "/api/v1/admin/users?limit=2")
        self._following("auditor", "/api/v1/admin/audit?limit=2")
        tag = self._asked("owner", "GET", "/api/v1/labels")["etag"]
        self._asked("owner", "GET", "/api/v1/labels", 304, headers={"If-None-Match": tag})
        position = SessionToken.of([WalPosition(7_000_000_000_000_000_000, 1, 10_000)]).encode()
        self._asked("owner", "GET", "/api/v1/emails?limit=1", headers={"X-GBM-Position": position})

    def _following(self, name: str, path: str) -> None:
        cursor = self._client.get(path, headers=self._header(name)).json()["next_cursor"]
        assert cursor, path
        self._asked(name, "GET", f"{path}&cursor={cursor}")

    def _signing_in(self) -> None:
        begun = self._client.get("/api/v1/auth/google/login")
        assert begun.status_code == 302, begun.text
        state = httpx.URL(begun.headers["Location"]).params["state"]
        cookie = begun.headers["Set-Cookie"].partition(";")[0]
        path = f"/api/v1/auth/google/callback?state={state}&code=x"
        self._asked("owner", "GET", path, 401, headers={"Cookie": cookie})


def ids_of(body: Any) -> list[str]:
    """The ids in an answer's document, or in its list."""
    items = body.get("items", [body]) if isinstance(body, dict) else []
    return [str(item[name]) for item in items for name in _IDS if name in item]


if __name__ == "__main__":
    main(sys.argv[1])

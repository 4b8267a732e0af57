"""A cluster that the tests of tests/e2e/test_security.py attack, and the requests of the attacks."""

import json
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from cluster.home import Home
from cluster.orphan_processes import marked
from cluster.simulator.process import start_simulator
from tests.conftest import private_home
from tests.e2e.processes import environment, gbm
from tests.e2e.test_demo import get

#: Paths of every application that asks for a token.
GUARDED = ("/api/v1/emails", "/api/v1/sync/status", "/api/v1/analytics/overview", "/api/v1/auth/keys")

#: What a request can say of its length so that two servers may understand it in two ways.
SMUGGLING = (
    b"Content-Length: LENGTH\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: LENGTH",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: xchunked\r\nContent-Length: LENGTH",
    b"Transfer-Encoding : chunked\r\nContent-Length: LENGTH",
    b"Transfer-Encoding:\tchunked\r\nContent-Length: LENGTH",
    b"Transfer-Encoding: identity, chunked\r\nContent-Length: LENGTH",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: LENGTH",
    b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: LENGTH",
    b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: LENGTH",
    b"Content-Length: 5\r\nContent-Length: LENGTH",
    b"Content-Length: 5, LENGTH",
    b"Content-Length: +LENGTH",
    b"Content-Length: 0x5",
    b"Content-Length: -1",
    b"Content-Length:\x0b5",
    b"Content_Length: 5\r\nContent-Length: LENGTH\x00",
)

PATHS = (
    "/api/v1/auth/../emails",
    "/api/v1/auth/..%2femails",
    "/api/v1/auth/%2e%2e/emails",
    "/api/v1/auth/..;/emails",
    "/health/../api/v1/emails",
    "//api/v1/emails",
    "/api//v1/emails",
    "/api/v1/./emails",
    "/API/V1/EMAILS",
    "/api/v1/emails%00",
    "/api/v1/emails%0d%0aX-GBM-Proxy:x",
    "/api/v1/emails?%00=%ff",
    "/api/v1/emails#/health",
    "/%61pi/v1/emails",
    "/api/v1/admin/audit;/health",
    "http://127.0.0.1/api/v1/emails",
    "*",
)

TWO = json.dumps({name: {"min_replicas": 2} for name in ("emails", "sync")})


@dataclass
class Running:
    """A cluster that is up."""

    env: Mapping[str, str]
    home: Path
    port: int
    emails: list[str]
    gmail: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        done = gbm("up", "--json", env=self.env)
        log = Home(self.home).logs / "cluster.log"
        assert done.returncode == 0, done.stderr + (log.read_text(errors="replace")[-4000:] if log.exists() else "")

    def key(self, email: str, role: str = "owner") -> str:
        done = gbm("keys", "create", email, "--role", role, "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["api_key"])

    def post(self, path: str, token: str | None = None, **body: object) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(f"{self.url}/api/v1/auth/{path}", json=body, headers=headers, timeout=60)
        return answer.raise_for_status().json() if answer.content else None

    def signed_in(self, key: str) -> str:
        return str(self.post("token", api_key=key)["access_token"])

    def kill(self) -> None:
        """SIGKILL to every process of the cluster but PostgreSQL."""
        parent = Home(self.home).owner_pid()
        assert parent is not None
        found = [psutil.Process(parent), *marked(self.home)]
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=30)


def running(stack: ExitStack, **settings: str) -> Running:
    home = private_home()
    stack.callback(shutil.rmtree, home)
    gmail = stack.enter_context(start_simulator(["--generate=40", "--users=2", "--quota-profile=unlimited"]))
    env = environment(
        home,
        GBM_GMAIL__ENDPOINT=gmail,
        GBM_GMAIL__TOKEN_URI=f"{gmail}/token",
        GBM_ANALYSIS__ENABLED="false",
        GBM_SHARDS__COUNT="1",
        **settings,
    )
    stack.callback(gbm, "down", env=env)
    emails = [str(user["email"]) for user in get(f"{gmail}/_sim/users")]
    cluster = Running(env, home, int(env["GBM_SERVE__PORT"]), emails, gmail)
    cluster.up()
    for email in emails:
        grant = home / "grant.json"
        grant.write_text(json.dumps(get(f"{gmail}/_sim/users/{email}/authorized-user")))
        assert gbm("accounts", "add", email, "--authorized-user", str(grant), env=env).returncode == 0
    return cluster

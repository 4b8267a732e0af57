"""What a stranger, a neighbour and a second cluster of the same user can do to a running cluster."""

import http.client
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from cluster.orphan_processes import MARK
from cluster.simulator.process import start_simulator
from serve.http.client_address import FORWARDED, PEER, PROOF
from tests.conftest import private_home
from tests.e2e.processes import environment, gbm, wait_for
from tests.e2e.test_demo import get

pytestmark = [pytest.mark.slow, pytest.mark.unproven, pytest.mark.timeout(900)]
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")


@dataclass
class Running:
    """A cluster that is up."""

    env: Mapping[str, str]
    home: Path
    port: int
    email: str

    def key(self) -> str:
        """A new key of its mailbox's owner."""
        done = gbm("keys", "create", self.email, "--json", env=self.env)
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["key"])


def _up(stack: ExitStack, home: Path, tmp_path: Path, **settings: str) -> Running:
    gmail = stack.enter_context(start_simulator(["--generate=40", "--users=1", "--quota-profile=unlimited"]))
    env = environment(
        home,
        GBM_GMAIL__ENDPOINT=gmail,
        GBM_GMAIL__TOKEN_URI=f"{gmail}/token",
        GBM_ANALYSIS__ENABLED="false",
        GBM_SHARDS__COUNT="1",
        **settings,
    )
    stack.callback(gbm, "down", env=env)
    up = gbm("up", "--json", env=env)
    assert up.returncode == 0, up.stderr
    [user] = get(f"{gmail}/_sim/users")
    grant = tmp_path / f"{user['email']}.json"
    grant.write_text(json.dumps(get(f"{gmail}/_sim/users/{user['email']}/authorized-user")))
    assert gbm("accounts", "add", user["email"], "--authorized-user", str(grant), env=env).returncode == 0
    return Running(env, home, int(env["GBM_SERVE__PORT"]), user["email"])


def _listening(home: Path) -> dict[tuple[str, int], str]:
    """The sockets on which processes of a home's cluster listen, and the processes."""
    found = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home):
                for each in process.net_connections("tcp"):
                    if each.status == psutil.CONN_LISTEN:
                        found[each.laddr.ip, each.laddr.port] = " ".join(process.cmdline())[:120]
        except psutil.Error:
            continue
    return found


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    first, second = private_home(), private_home()
    yield first, second
    for folder in (first, second):
        shutil.rmtree(folder)


def test_two_clusters_side_by_side_hold_and_use_only_what_is_theirs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    with ExitStack() as stack:
        first = _up(stack, folders[0], tmp_path, GBM_SERVE__HOST="0.0.0.0")
        _only_the_proxy_is_public(first)
        _forged_headers_change_nothing(first)
        _nobody_passes_the_proxy_by(first)
        _slow_strangers_stop_nobody(first)

        second = _up(stack, folders[1], tmp_path)
        _only_the_proxy_is_public(second)
        ended: dict[int, str] = {}

        def backfill(cluster: Running) -> None:
            done = gbm("backfill", "--all", "--wait", "--json", env=cluster.env)
            ended[cluster.port] = done.stderr if done.returncode else str(json.loads(done.stdout)["messages"])

        threads = [threading.Thread(target=backfill, args=(each,)) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        assert ended == {first.port: "40", second.port: "40"}
        assert _keys(first) != _keys(second)


def _keys(cluster: Running) -> object:
    return httpx.get(f"http://127.0.0.1:{cluster.port}/api/v1/auth/jwks").raise_for_status().json()


def _only_the_proxy_is_public(cluster: Running) -> None:
    host = cluster.env.get("GBM_SERVE__HOST", "127.0.0.1")
    listening = _listening(cluster.home)
    assert (host, cluster.port) in listening, listening
    public = {place: who for place, who in listening.items() if place[0] not in LOOPBACK}
    assert set(public) <= {(host, cluster.port)}, public


def _forged_headers_change_nothing(cluster: Running) -> None:
    """Who guesses keys is stopped, whatever address the guesses claim; and nobody else's address is used up."""
    told = []
    with httpx.Client(base_url=f"http://127.0.0.1:{cluster.port}/api/v1/auth", timeout=60) as stranger:
        for number in range(120):
            claimed = f"203.0.113.{number}"
            headers = {"X-Forwarded-For": claimed, PEER: claimed, FORWARDED: claimed, "X-Real-IP": claimed}
            told.append(stranger.post("/token", json={"api_key": "wrong"}, headers=headers).status_code)
    assert 429 in told[60:], told


def _nobody_passes_the_proxy_by(cluster: Running) -> None:
    """No port of the cluster but the proxy's answers a request for mail or keys."""
    for host, port in _listening(cluster.home):
        if port == cluster.port:
            continue
        for scheme in ("http", "https"):
            try:
                answer = httpx.get(
                    f"{scheme}://127.0.0.1:{port}/api/v1/auth/jwks", verify=False, timeout=3, headers={PROOF: "x"}
                )
            except httpx.HTTPError:
                continue
            assert answer.status_code >= 400 or b'"keys"' not in answer.content, (host, port, answer.text)


def _slow_strangers_stop_nobody(cluster: Running) -> None:
    with ExitStack() as held:
        for _ in range(300):
            try:
                stranger = held.enter_context(
                    socket.create_connection(("127.0.0.2", cluster.port), timeout=5, source_address=("127.0.0.2", 0))
                )
                stranger.sendall(b"POST /api/v1/auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            except OSError:
                continue
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=10)
        connection.request("GET", "/api/v1/auth/jwks")
        assert connection.getresponse().status == 200
        assert time.monotonic() - began < 5
        wait_for(lambda: _open(cluster) <= 4, "the strangers' connections are closed", timeout_s=60)


def _open(cluster: Running) -> int:
    """Connections of the strangers that HAProxy holds."""
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr == ("127.0.0.2", cluster.port)
        for each in psutil.net_connections("tcp")
    )

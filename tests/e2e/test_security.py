"""What a stranger, a neighbour and a second cluster of the same user can do to a running cluster."""

import http.client
import json
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from cluster.bench.crowd import heavy_queries, unfinished_requests
from cluster.home import Home
from cluster.orphan_processes import MARK
from cluster.runtime_folder import RuntimeFolder
from cluster.stores import CONTROL_DATABASE
from serve.http.client_address import FORWARDED, PEER, PROOF
from storage.control.sealing import Key, Keyring, Sealer, load_key, new_key
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from tests.e2e.attacked_cluster import GUARDED, PATHS, SMUGGLING, TWO, Running, running
from tests.e2e.decoys import decoys
from tests.e2e.processes import gbm, wait_for
from tests.e2e.test_demo import get

#: Alone: what was revoked is refused within seconds.
pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(900)]
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
#: Seconds in which every replica refuses what was revoked (GBM_SERVE__TOKENS__REVOCATIONS_S).
BOUND_S = 3.0


@pytest.fixture(scope="module")
def first() -> Iterator[Running]:
    """A cluster that the whole network may ask: applications apart, as in production, and two replicas of some."""
    with ExitStack() as stack:
        cluster = running(stack, GBM_SERVE__HOST="0.0.0.0", GBM_SERVE__APPLICATIONS=TWO, GBM_SERVE__TOGETHER="false")
        assert gbm("backfill", cluster.emails[1], "--wait", env=cluster.env).returncode == 0
        yield cluster


def test_the_proxy_alone_is_public_and_nobody_passes_it_by(first: Running) -> None:
    _only_the_proxy_is_public(first)
    _nobody_passes_the_proxy_by(first)
    _the_folder_is_private(first)


def test_forged_headers_change_nothing(first: Running) -> None:
    """Who guesses keys is stopped, whatever address the guesses claim; and nobody else's address is used up."""
    told = []
    transport = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(base_url=f"{first.url}/api/v1/auth", timeout=60, transport=transport) as stranger:
        for number in range(120):
            claimed = "127.0.0.1" if number % 2 else f"203.0.113.{number}"
            headers = {"X-Forwarded-For": claimed, PEER: claimed, FORWARDED: claimed, "X-Real-IP": claimed}
            headers |= {"Forwarded": f"for={claimed}", "X-Forwarded-Host": "evil.example"}
            told.append(stranger.post("/token", json={"api_key": "wrong"}, headers=headers).status_code)
    assert 429 in told[60:], told
    assert first.signed_in(first.key(first.emails[0]))  # from 127.0.0.1, which the guesses claimed


def test_no_redirect_names_a_host_of_the_client(first: Running) -> None:
    for path in ("/api/v1/emails/", "/docs/", "/api/v1/auth/token/"):
        answer = httpx.get(first.url + path, headers={"Host": "evil.example"}, timeout=60)
        assert (answer.status_code, "location" in answer.headers) == (404, False), path


@pytest.mark.parametrize("head", SMUGGLING)
def test_no_request_is_smuggled_in_another(first: Running, head: bytes) -> None:
    """Whatever a request says of its length, the proxy and the replicas agree, or it is refused."""
    hidden = b"GET /api/v1/auth/jwks HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b"0\r\n\r\n" + hidden
    length = str(len(body)).encode()
    sent = b"POST /health HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n%b" % (head.replace(b"LENGTH", length), body)
    with socket.create_connection(("127.0.0.1", first.port), timeout=15) as stranger:
        stranger.sendall(sent)
        stranger.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: stranger.recv(65_536), b""))
    # What follows a body of chunks that has ended is the stranger's own next request, never somebody else's.
    assert not answer or answer.split(b" ")[1] in (b"400", b"405", b"422", b"501"), answer
    assert answer.count(b"HTTP/1.1 ") <= 2, answer
    with httpx.Client(base_url=first.url, timeout=30) as other:
        for _ in range(6):
            assert other.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_round_the_policies(first: Running, path: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", first.port, timeout=30)) as connection:
        connection.putrequest("GET", path)
        connection.endheaders()
        answer = connection.getresponse()
        content = answer.read()
    assert answer.status in (400, 401, 404, 405), (answer.status, content)
    assert b'"items"' not in content


def test_unfinished_requests_stop_nobody_and_are_ended(first: Running) -> None:
    with unfinished_requests(first.port, 300, "127.0.0.2") as counts:
        for _ in range(20):
            began = time.monotonic()
            assert httpx.get(f"{first.url}/api/v1/auth/jwks", timeout=10).status_code == 200
            assert time.monotonic() - began < 5
        wait_for(lambda: _open(first, "127.0.0.2") <= 64, "one address has no more than its connections")
    assert counts["begun"] + counts["refused"] >= 300
    assert counts["refused"] + counts["cut off"] + counts["answered"] >= 200, counts
    wait_for(lambda: _open(first, "127.0.0.2") <= 4, "the stranger's connections are closed", timeout_s=60)


def test_slow_readers_stop_nobody(first: Running) -> None:
    """Two strangers take large public answers by a few bytes, more at a time than a replica works on requests."""
    with ExitStack() as held:
        for number in range(120):
            stranger = held.enter_context(closing(socket.socket()))
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stranger.bind((f"127.0.0.{4 + number % 2}", 0))
            stranger.connect(("127.0.0.1", first.port))
            stranger.sendall(b"GET /docs/swagger-ui.js HTTP/1.1\r\nHost: x\r\n\r\n")
            assert stranger.recv(12) == b"HTTP/1.1 200"
        for _ in range(20):
            answer = httpx.get(f"{first.url}/openapi.json", timeout=5)
            assert (answer.status_code, answer.json()["openapi"][:2]) == (200, "3.")


def _open(cluster: Running, stranger: str) -> int:
    """Connections of a stranger that the proxy holds."""
    return sum(
        each.status == psutil.CONN_ESTABLISHED
        and getattr(each.laddr, "port", 0) == cluster.port
        and getattr(each.raddr, "ip", "") == stranger
        for each in psutil.net_connections("tcp")
    )


class Stream:
    """Where a mailbox stands, as server-sent events, until it ends."""

    def __init__(self, cluster: Running, token: str) -> None:
        self.began, self.ended_at = threading.Event(), 0.0
        self._cluster, self._token = cluster, token
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self._cluster.port, timeout=60)) as connection:
            headers = {"Authorization": f"Bearer {self._token}"}
            connection.request("GET", "/api/v1/sync/progress?follow=true", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200
            while answer.readline():
                self.began.set()
            self.ended_at = time.monotonic()


def test_what_is_revoked_is_refused_by_every_replica_in_time_streams_too(first: Running) -> None:
    """A key, a session and a grant, while another owner asks heavy questions and a stranger finishes no request."""
    ann, eve = first.emails
    keeper, auditor = first.signed_in(first.key(ann)), first.signed_in(first.key(eve, "auditor"))
    made = first.post("keys", keeper)
    session = first.signed_in(first.key(ann))
    grant = first.post("grants", auditor, email=ann, reason="to see whether it ends")["grant_id"]
    tokens = {
        "key": first.signed_in(made["api_key"]),
        "session": session,
        "grant": str(first.post(f"grants/{grant}/token", auditor)["access_token"]),
    }
    kept = {"Authorization": f"Bearer {keeper}"}
    with (
        httpx.Client(base_url=first.url, timeout=60) as owner,
        unfinished_requests(first.port, 1000, "127.0.0.2"),
        heavy_queries(first.port, 10, "127.0.0.3", auditor),
    ):
        streams = {name: Stream(first, token) for name, token in tokens.items() if name != "grant"}
        for name, stream in streams.items():
            assert stream.began.wait(60), name
        for name, token in tokens.items():
            told = _told(first, token)
            for path in GUARDED[:1] if name == "grant" else GUARDED:  # a busy application may refuse some by 429 or 503
                assert 200 in told[path] <= {200, 429, 503}, (name, told)

        ends: dict[str, Callable[[], httpx.Response]] = {
            "key": lambda: owner.delete(f"/api/v1/auth/keys/{made['key_id']}", headers=kept),
            "session": lambda: owner.post("/api/v1/auth/sign-out", headers={"Authorization": f"Bearer {session}"}),
            "grant": lambda: owner.delete(f"/api/v1/auth/grants/{grant}", headers=kept),
        }
        revoked_at = {}
        for name, end in ends.items():
            assert end().status_code < 300, name
            revoked_at[name] = time.monotonic()
        for name, token in tokens.items():
            threading.Event().wait(max(revoked_at[name] + BOUND_S - time.monotonic(), 0.0))
            told = _told(first, token)
            assert set().union(*told.values()) == {401}, (name, told)
        for name, stream in streams.items():
            stream.thread.join(10)
            assert 0 < stream.ended_at - revoked_at[name] <= BOUND_S, name
        assert _told(first, keeper)["/api/v1/emails"] == {200}


def _told(cluster: Running, token: str) -> dict[str, set[int]]:
    """What every application answers to a token, by connections of their own, so that every replica is asked."""
    headers = {"Authorization": f"Bearer {token}", "Cache-Control": "no-cache"}
    return {
        path: {httpx.get(cluster.url + path, headers=headers, timeout=60).status_code for _ in range(8)}
        for path in GUARDED
    }


@pytest.mark.unproven
def test_a_job_connects_to_no_process_that_claims_to_be_a_cluster(first: Running) -> None:
    """Ray gives the job the address of one of them."""
    with decoys() as strangers:
        assert strangers.are_found(), "Ray looks for clusters in another way: the decoys must imitate them"
        done = gbm("backfill", first.emails[1], "--wait", env=first.env)
        assert done.returncode == 0, done.stderr
        assert strangers.connected == []


def test_two_clusters_side_by_side_hold_and_use_only_what_is_theirs(first: Running) -> None:
    with ExitStack() as stack:
        second = running(stack)
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
        missing = len(get(f"{first.gmail}/_sim/users/{first.emails[0]}/messages"))
        assert 0 < missing < 40
        assert ended == {first.port: str(missing), second.port: "40"}
        own = {cluster.port: _keys(cluster) for cluster in (first, second)}
        assert own[first.port] != own[second.port]

        for killed, other in ((first, second), (second, first)):
            killed.kill()
            for _ in range(20):
                assert _keys(other) == own[other.port]
                with pytest.raises(httpx.TransportError):
                    _keys(killed)
            killed.up()
            assert (_keys(killed), _keys(other)) == (own[killed.port], own[other.port])


def test_a_sealing_key_is_replaced_on_a_running_cluster_although_the_command_is_killed(first: Running) -> None:
    """In the middle, some secrets open with the new key and some with the old one; at the end, all with the new one."""
    home, before, signing = Home(first.home), dict(first.env), _keys(first)
    old = first.home / "old.key"
    assert gbm("down", env=first.env).returncode == 0
    home.sealing_key.rename(old)
    home.sealing_key.write_text(new_key())
    home.sealing_key.chmod(0o600)
    first.env = {**before, "GBM_SEALING__OLD_KEYS": json.dumps([str(old)])}
    first.up()
    rotate = [sys.executable, "-m", "cluster.main", "keys", "rotate-sealing", "--json"]
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedPostgres(home.postgres, EmbeddedConfig()))
        held, other = (stack.enter_context(psycopg.connect(server.dsn(CONTROL_DATABASE))) for _ in range(2))
        other.autocommit = True
        key = load_key(None, home.sealing_key)
        assert _sealed(other, key) == 0
        held.execute("SELECT FROM signing_keys FOR UPDATE")  # where the command waits, until it is killed
        process = subprocess.Popen(rotate, env=first.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: _sealed(other, key) == 2, "the mailboxes' credentials are sealed again")
        process.kill()
        process.wait()
        held.rollback()
        assert _keys(first) == signing
    done = gbm("keys", "rotate-sealing", "--json", env=first.env)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["resealed"] >= 1, result["current"], result["unopened"]) == (True, 2, [])

    old.unlink()
    assert gbm("down", env=first.env).returncode == 0
    first.env = before
    first.up()
    assert _keys(first) == signing
    assert gbm("sync", *first.emails, "--wait", env=first.env).returncode == 0
    assert first.signed_in(first.key(first.emails[0]))


def _sealed(connection: "psycopg.Connection[Any]", key: Key) -> int:
    """Credentials that a key sealed."""
    rows = connection.execute("SELECT sealed FROM credentials").fetchall()
    return sum(Sealer(Keyring(key)).is_current(bytes(sealed)) for (sealed,) in rows)


def _keys(cluster: Running) -> object:
    return httpx.get(f"{cluster.url}/api/v1/auth/jwks", timeout=30).raise_for_status().json()


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


def _only_the_proxy_is_public(cluster: Running) -> None:
    host = cluster.env.get("GBM_SERVE__HOST", "127.0.0.1")
    listening = _listening(cluster.home)
    assert (host, cluster.port) in listening, listening
    public = {place: who for place, who in listening.items() if place[0] not in LOOPBACK}
    assert set(public) <= {(host, cluster.port)}, public


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


def _the_folder_is_private(cluster: Running) -> None:
    """Of HAProxy's sockets and secrets nobody else may open one."""
    folder = RuntimeFolder(Home(cluster.home))
    assert stat.S_IMODE(folder.root.stat().st_mode) == stat.S_IMODE(folder.haproxy.stat().st_mode) == 0o700
    kinds = {".sock", ".key", ".pem", ".json", ".cfg"}
    found = [file for file in folder.haproxy.rglob("*") if file.suffix in kinds]
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in found}
    assert {"admin.sock", "haproxy.cfg", "replica.key", "rules.json"} <= set(files), files
    # Ray makes m.sock, open to all, below the folder that nobody else enters.
    assert {name: mode & 0o077 for name, mode in files.items() if name != "m.sock"} == dict.fromkeys(
        files.keys() - {"m.sock"}, 0
    )

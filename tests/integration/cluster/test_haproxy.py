"""cluster/haproxy.py and haproxy_config.py: the binary that ships with Ray, under the configuration that Ray writes,
in front of a server that tells what it was asked. What one stranger can hold, forge or reach."""

import http.client
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import orjson
import pytest
from pydantic import SecretStr

from cluster import haproxy, haproxy_config
from cluster.haproxy_config import harden, read
from cluster.orphan_processes import MARK
from serve.config import EdgeConfig, ServeConfig
from serve.http.client_address import FORWARDED, PEER, PROOF

LOOPBACK = "127.0.0.1"


class _Told(BaseHTTPRequestHandler):
    """Answers the headers that it got; at /slow after two seconds."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            threading.Event().wait(2.0)
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer()

    def _answer(self) -> None:
        content = orjson.dumps([[name.lower(), value] for name, value in self.headers.items()])
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def _replica(certificate: Path | None, key: Path | None) -> Iterator[int]:
    server = ThreadingHTTPServer((LOOPBACK, 0), _Told)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class Edge:
    """A HAProxy that runs."""

    def __init__(self, port: int, proof: str, folder: Path) -> None:
        self.port, self.proof, self.folder = port, proof, folder

    def get(self, path: str = "/api/v1/things", **headers: str) -> tuple[int, dict[str, str]]:
        """Status, and the headers that the replica got."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=20)
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(orjson.loads(content)) if answer.status == 200 else {}

    def connect(self) -> socket.socket:
        """A connection of a stranger's."""
        return socket.create_connection((LOOPBACK, self.port), timeout=20)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The configuration as Ray writes it, with marks: made once, in a process of its own, because Ray reads its
    environment when it is imported."""
    folder = tmp_path_factory.mktemp("template")
    proxy = haproxy.prepare(folder, ServeConfig())
    done = subprocess.run(
        [sys.executable, "-c", _RENDER], env={**os.environ, **proxy.environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return (folder / "haproxy.cfg").read_text().replace(str(folder), "FOLDER")


_RENDER = """
from ray.serve._private import haproxy as h
from ray.serve.config import HTTPOptions
from ray.serve._private.common import RequestProtocol
server = h.ServerConfig(name="replica", host="127.0.0.1", port=11111)
fallback = h.ServerConfig(name="fallback", host="127.0.0.1", port=22222)
backend = h.BackendConfig(name="http-things", path_prefix="/", servers=[server], app_name="things",
                          fallback_server=fallback, protocol=RequestProtocol.HTTP)
api = h.HAProxyApi(h.HAProxyConfig(http_options=HTTPOptions(host="127.0.0.1", port=33333)), {"http-things": backend})
api._generate_config_file_internal()
"""


def _written(template: str, folder: Path, port: int, replica: int, fallback: int) -> Path:
    """The configuration in a folder."""
    text = template.replace("FOLDER", str(folder))
    text = re.sub(r"(bind :|bind \*:)\d+", lambda found: f"{found[1]}{_free_port()}", text)
    for mark, number in (("11111", replica), ("22222", fallback), ("33333", port)):
        text = text.replace(mark, str(number))
    (folder / "500.http").write_bytes(b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n")
    (folder / "server-state").write_text("1\n")
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def edge(
    tmp_path: Path,
    template: str,
    config: ServeConfig,
    stranger: Literal["without", "foreign"] | None = None,
    absent: bool = False,
) -> Iterator[Edge]:
    """A HAProxy with one replica and Serve's fallback.

    Args:
        stranger: at the replica's port listens somebody without a certificate, or with that of another cluster.
        absent: nobody listens there.
    """
    folder = Path(f"{tmp_path}/h")
    port = _free_port()
    config = config.model_copy(update={"port": port})
    proxy = haproxy.prepare(folder, config)
    with ExitStack() as stack:
        others = haproxy.prepare(Path(f"{tmp_path}/other"), config) if stranger == "foreign" else proxy
        certified = (None, None) if stranger == "without" else (others.certificate, others.key)
        replica = _free_port() if absent else stack.enter_context(_replica(*certified))
        fallback = stack.enter_context(_replica(None, None))
        path = _written(template, folder, port, replica, fallback)
        process = subprocess.Popen(
            [str(folder / "haproxy"), "-db", "-f", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _wait(lambda: process.poll() is not None or _listens(port))
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            yield Edge(port, proxy.proof.get_secret_value(), folder)
        finally:
            process.kill()
            process.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _wait(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        threading.Event().wait(0.02)


QUICK = EdgeConfig(request_s=1, idle_s=2, connections_per_address=8, connections=200)
FORGED = {
    "X_Forwarded_For": "203.0.113.1",
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Proto": "https",
    "Forwarded": "for=203.0.113.1",
    "X_Real_IP": "203.0.113.1",
    "X_Client_IP": "203.0.113.1",
    PEER: "203.0.113.1",
    FORWARDED: "203.0.113.1",
    PROOF: "guessed",
    "X_Request_Timeout_Seconds": "0",
    "X_Request_Disconnect_Disabled": "?1",
}


def test_no_header_of_a_client_claims_an_address(tmp_path: Path, template: str) -> None:
    with edge(tmp_path, template, ServeConfig(edge=QUICK)) as proxy:
        status, got = proxy.get(**FORGED)
    assert status == 200
    assert (got[PEER], got[PROOF]) == (LOOPBACK, proxy.proof)
    forged = {name.lower().replace("_", "-") for name in FORGED} - {PEER, PROOF}
    assert not forged & set(got)


def test_a_trusted_proxy_is_believed_and_one_that_is_not_is_not(tmp_path: Path, template: str) -> None:
    with edge(tmp_path, template, ServeConfig(edge=QUICK, trusted_proxies=("127.0.0.0/8",))) as proxy:
        got = proxy.get(X_Forwarded_For="203.0.113.1, 203.0.113.2", x_gbm_forwarded_for="1.1.1.1")[1]
    assert got[FORWARDED] == "203.0.113.1, 203.0.113.2"
    assert "x-forwarded-for" not in got

    other = tmp_path / "other"
    other.mkdir()
    with edge(other, template, ServeConfig(edge=QUICK, trusted_proxies=("10.0.0.0/8",))) as proxy:
        assert FORWARDED not in proxy.get(X_Forwarded_For="203.0.113.1")[1]


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"]
)
def test_a_request_that_does_not_end_is_ended(tmp_path: Path, template: str, sent: bytes) -> None:
    with edge(tmp_path, template, ServeConfig(edge=QUICK)) as proxy, proxy.connect() as stranger:
        began = time.monotonic()
        stranger.sendall(sent)
        answer = stranger.recv(1000)
        assert answer == b"" or b" 408 " in answer
        assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    "begun",
    [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "],
    ids=["body", "head"],
)
def test_a_request_a_byte_at_a_time_reaches_no_replica(tmp_path: Path, template: str, begun: bytes) -> None:
    with edge(tmp_path, template, ServeConfig(edge=QUICK)) as proxy, proxy.connect() as stranger:
        stranger.sendall(begun)
        began, answer = time.monotonic(), b""
        stranger.settimeout(0.2)
        while not answer and time.monotonic() - began < 10:
            try:
                stranger.sendall(b"x")
                answer = stranger.recv(1000)
            except TimeoutError:
                continue
        assert b" 408 " in answer


def test_one_address_has_only_so_many_connections(tmp_path: Path, template: str) -> None:
    config = ServeConfig(edge=EdgeConfig(connections_per_address=8, connections=200, request_s=60))
    with edge(tmp_path, template, config) as proxy, ExitStack() as held:
        refused = 0
        for _ in range(30):
            try:
                stranger = held.enter_context(proxy.connect())
                stranger.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
                stranger.settimeout(0.2)
                refused += stranger.recv(10) == b""
            except ConnectionError:
                refused += 1
            except TimeoutError:
                continue  # it waits for the rest of the head
    assert refused == 22


def test_no_connection_has_many_requests_at_a_time(tmp_path: Path, template: str) -> None:
    """The preface of HTTP/2, and its first frame: SETTINGS. Who speaks it would answer with its own."""
    with edge(tmp_path, template, ServeConfig(edge=QUICK)) as proxy, proxy.connect() as stranger:
        stranger.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        answer = stranger.recv(1000)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 "), answer


def test_one_address_has_only_so_many_requests(tmp_path: Path, template: str) -> None:
    with edge(tmp_path, template, ServeConfig(edge=EdgeConfig(requests_per_address=10))) as proxy:
        told = [proxy.get()[0] for _ in range(20)]
    assert told == [200] * 10 + [429] * 10


def test_an_answer_that_takes_longer_than_a_silent_client_may_is_awaited(tmp_path: Path, template: str) -> None:
    with edge(tmp_path, template, ServeConfig(edge=EdgeConfig(idle_s=1, request_s=1))) as proxy:
        assert proxy.get("/slow")[0] == 200


@pytest.mark.parametrize("stranger", ["without", "foreign"])
def test_a_process_without_the_certificate_gets_no_request(
    tmp_path: Path, template: str, stranger: Literal["without", "foreign"]
) -> None:
    with edge(tmp_path, template, ServeConfig(edge=QUICK), stranger=stranger) as proxy:
        assert proxy.get()[0] in (500, 503)


def test_without_replicas_nothing_goes_to_the_fallback(tmp_path: Path, template: str) -> None:
    with edge(tmp_path, template, ServeConfig(edge=QUICK), absent=True) as proxy:
        assert proxy.get()[0] in (500, 503)
        text = (proxy.folder / "haproxy.cfg").read_text()
    assert not re.search(r"^\s*server .* backup", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("host", "bound"),
    [("127.0.0.1", "127.0.0.1:8000"), ("0.0.0.0", "0.0.0.0:8000"), ("::", "[::]:8000 v4v6"), ("::1", "[::1]:8000")],
)
def test_whatever_the_host_the_api_alone_is_bound_to_it(tmp_path: Path, template: str, host: str, bound: str) -> None:
    folder = tmp_path / "h"
    haproxy.prepare(folder, ServeConfig(host=host))
    path = _written(template, folder, 8000, 1, 2)
    hardened = harden(path.read_text(), read(folder / "rules.json"))

    binds = re.findall(r"^\s*bind (.*)$", hardened, re.MULTILINE)
    assert [each for each in binds if each == bound] == [bound]
    assert [each for each in binds if each != bound and not each.startswith("127.0.0.1:")] == []
    assert len(binds) == 3
    assert "mode 666" not in hardened
    assert {
        file.name: oct(file.stat().st_mode & 0o077) for file in folder.iterdir() if file.suffix in (".key", ".json")
    } == {
        "replica.key": "0o0",
        "rules.json": "0o0",
    }
    assert harden(hardened, read(folder / "rules.json")) == hardened


def test_a_configuration_of_an_unknown_ray_is_refused(tmp_path: Path) -> None:
    haproxy.prepare(tmp_path / "h", ServeConfig())
    with pytest.raises(ValueError, match="frontend http_frontend"):
        harden("global\n    maxconn 10\ndefaults\n    mode http\n", read(tmp_path / "h" / "rules.json"))


@pytest.mark.parametrize(("files", "connections"), [(20_000, 2048), (9000, 2048), (2000, 697), (1024, 307)])
def test_connections_fit_the_limit_of_open_files(files: int, connections: int) -> None:
    assert haproxy.connections_within(2048, files) == connections


def test_a_limit_that_is_too_low_is_named_with_what_raises_it() -> None:
    with pytest.raises(haproxy.TooFewFiles, match="`ulimit -Hn 416`"):
        haproxy.connections_within(2048, 300)


def test_haproxy_starts_under_the_limit_that_was_reckoned_with(tmp_path: Path, template: str) -> None:
    folder = tmp_path / "h"
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        opened = len(list(Path("/proc/self/fd").iterdir()))  # of the tests before this one
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit[0], max(1024, opened + 64)), limit[1]))
        proxy = haproxy.prepare(folder, ServeConfig())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert isinstance(proxy.proof, SecretStr)
    path = _written(template, folder, 8000, 1, 2)
    rules = read(folder / "rules.json")
    path.write_text(harden(path.read_text(), rules).replace("maxconn 2048", "maxconn 307"))
    binary = next(word for word in (folder / "haproxy").read_text().split() if word.endswith("/bin/haproxy"))
    command = f"ulimit -n 1024 && exec {binary} -c -f {path}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "FD limit" not in done.stderr


def test_haproxy_keeps_the_mark_by_which_orphans_are_found() -> None:
    assert haproxy_config._KEPT == MARK

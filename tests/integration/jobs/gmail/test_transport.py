"""The transport against a server that misbehaves on purpose, byte by byte."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from jobs.gmail.api import Call
from jobs.gmail.config import GmailConfig
from jobs.gmail.errors import AnswerTooLarge, GmailUnavailable, TokenRejected
from jobs.gmail.transport import Answer, Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Mark: yes\r\n\r\nok"


class Server:
    """Hands each accepted connection to `serve`; counts them and keeps the requests."""

    def __init__(self, serve: Callable[["Server", socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self.requests: list[bytes] = []
        self.released = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def read_request(self, connection: socket.socket) -> bool:
        """One request without a body; False when the client closed."""
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                return False
            received += chunk
        self.requests.append(received)
        return True

    def close(self) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._serve(self, connection)
            except ConnectionError:
                return


@contextmanager
def serving(serve: Callable[[Server, socket.socket], None], **settings: object) -> Iterator[tuple[Server, Transport]]:
    server = Server(serve)
    transport = Transport(GmailConfig.model_validate({"endpoint": server.url} | settings))
    try:
        yield server, transport
    finally:
        transport.close()
        server.close()


def answering(*answers: bytes) -> Callable[[Server, socket.socket], None]:
    """Each connection gets these answers, then is closed."""

    def serve(server: Server, connection: socket.socket) -> None:
        for answer in answers:
            if not server.read_request(connection):
                return
            connection.sendall(answer)

    return serve


def get(server: Server, transport: Transport) -> Answer:
    return transport.send(Call("GET", server.url + "/x"), "secret")


def test_one_connection_is_kept_for_many_calls() -> None:
    with serving(answering(OK, OK, OK)) as (server, transport):
        answers = [get(server, transport) for _ in range(3)]

        assert [(a.status, bytes(a.body), a.fault, a.sent) for a in answers] == [(200, b"ok", None, True)] * 3
        assert answers[0].headers["x-mark"] == "yes"
        assert server.connections == 1
        assert b"Authorization: Bearer secret\r\n" in server.requests[0]


def test_a_kept_connection_that_was_closed_meanwhile_is_reopened() -> None:
    with serving(answering(OK)) as (server, transport):
        answers = [get(server, transport) for _ in range(3)]

        assert [answer.fault for answer in answers] == [None] * 3
        assert len(server.requests) == 3


def test_a_call_that_must_not_be_made_twice_has_a_connection_of_its_own() -> None:
    def serve(server: Server, connection: socket.socket) -> None:
        while server.read_request(connection) and b"GET" in server.requests[-1]:
            connection.sendall(OK)

    with serving(serve) as (server, transport):
        kept = get(server, transport)
        lost = transport.send(Call("POST", server.url + "/x", {}, b"", once=True), "secret")

        assert kept.fault is None and isinstance(lost.fault, GmailUnavailable) and lost.sent
        assert [request.split()[0] for request in server.requests] == [b"GET", b"POST"], "it was sent once"
        assert get(server, transport).fault is None
        assert server.connections == 2, "the connection that was kept is still used"


@pytest.mark.parametrize("cut", [0, 5, len(OK) - 1])
def test_a_new_connection_that_is_cut_is_a_fault_and_is_not_repeated(cut: int) -> None:
    with serving(answering(OK[:cut])) as (server, transport):
        answer = get(server, transport)

        assert isinstance(answer.fault, GmailUnavailable)
        assert answer.sent
        assert len(server.requests) == 1


def test_what_had_arrived_before_a_cut_is_handed_over() -> None:
    with serving(answering(OK[:-1])) as (server, transport):
        answer = get(server, transport)

        assert (answer.status, bytes(answer.body)) == (200, b"o")


@pytest.mark.parametrize("length", [b"Content-Length: 1000000\r\n", b""])
def test_an_answer_over_the_bound_is_stopped_there(length: bytes) -> None:
    flood = b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + b"\r\n" + b"x" * 1_000_000
    with serving(answering(flood), response_limit_bytes=50_000) as (server, transport):
        answer = get(server, transport)

        assert isinstance(answer.fault, AnswerTooLarge)
        assert len(answer.body) <= 50_000


def test_endless_headers_are_a_fault() -> None:
    flood = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(2_000))
    with serving(answering(flood)) as (server, transport):
        answer = get(server, transport)

        assert isinstance(answer.fault, GmailUnavailable)
        assert len(answer.headers) <= 200


@pytest.mark.parametrize("setting", ["total_timeout_s", "stall_timeout_s"])
def test_a_silent_server_is_given_up(setting: str) -> None:
    def silent(server: Server, connection: socket.socket) -> None:
        server.read_request(connection)
        server.released.wait(30)

    with serving(silent, **{setting: 1.0}) as (server, transport):
        answer = get(server, transport)

        assert isinstance(answer.fault, GmailUnavailable)
        assert answer.sent


def test_a_redirect_is_not_followed_because_the_token_would_travel() -> None:
    elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(elsewhere)) as (server, transport):
        answer = get(server, transport)

        assert (answer.status, answer.fault) == (302, None)
        assert len(server.requests) == 1


@pytest.mark.parametrize("noise", [b"SSH-2.0-OpenSSH\r\n", b"\x00\xff" * 50, b"HTTP/9.9 abc\r\n\r\n"])
def test_what_is_not_http_is_a_fault(noise: bytes) -> None:
    with serving(answering(noise)) as (server, transport):
        assert isinstance(get(server, transport).fault, GmailUnavailable)


def test_no_more_connections_are_used_than_asked_for_and_calls_are_taken_one_by_one() -> None:
    taken: list[int] = []

    def calls(url: str) -> Iterator[tuple[int, Call]]:
        for number in range(20):
            taken.append(number)
            yield number, Call("GET", url)

    with serving(answering(*[OK] * 20)) as (server, transport):
        exchange = transport.exchange(calls(server.url), "t", 3)
        next(exchange)
        assert len(taken) <= 3
        rest = [number for number, _ in exchange]

        assert len(rest) == 19
        assert server.connections <= 3


def test_an_abandoned_exchange_leaves_a_usable_transport() -> None:
    with serving(answering(*[OK] * 9)) as (server, transport):
        exchange = transport.exchange(iter([(n, Call("GET", server.url)) for n in range(9)]), "t", 3)
        next(exchange)
        exchange.close()  # type: ignore[attr-defined]  # a generator behind the Iterator

        assert get(server, transport).status == 200


def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with serving(answering(OK)) as (server, transport):
        assert get(server, transport).status == 200


def test_a_server_with_a_certificate_of_its_own_making_never_sees_the_token(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))

    def serve(server: Server, connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as wrapped:
            server.read_request(wrapped)

    with serving(serve) as (server, transport):
        answer = transport.send(Call("GET", server.url.replace("http", "https")), "secret")

        assert isinstance(answer.fault, GmailUnavailable)
        assert "certificate" in str(answer.fault)
        assert not answer.sent
        assert server.requests == []


def self_signed(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody vouches for, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(pem + certificate.public_bytes(Encoding.PEM))
    return path


def test_a_token_with_a_line_break_cannot_add_a_header() -> None:
    with serving(answering(OK)) as (server, transport):
        with pytest.raises(TokenRejected):
            transport.send(Call("GET", server.url), "a\r\nX-Evil: 1")
        assert server.requests == []

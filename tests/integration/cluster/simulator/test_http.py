"""HTTP/1.1 as it comes over a socket."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.integration.cluster.simulator.client import TIMEOUT_S, Client
from tests.integration.cluster.simulator.conftest import Serve

_HEALTH = b"GET /_sim/health HTTP/1.1\r\nHost: x\r\n\r\n"


def _connect(client: Client) -> socket.socket:
    parts = urlsplit(client.url)
    return socket.create_connection((str(parts.hostname), parts.port or 0), timeout=TIMEOUT_S)


def _exchange(client: Client, *pieces: bytes) -> bytes:
    """Send the pieces one by one, a last request that closes the connection, and read to the end."""
    with _connect(client) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        while data := connection.recv(65536):
            received += data
    return received


def _closing(request: bytes) -> bytes:
    return request.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")


def test_many_requests_share_a_connection(serve: Serve) -> None:
    received = _exchange(serve(), *[_HEALTH] * 5, _closing(_HEALTH))

    assert received.count(b"HTTP/1.1 200 OK") == 6 and received.count(b"Connection: close") == 1


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    client = serve(latency_ms=1)
    ids = list(client.held())[:40]
    token = client.token.encode()
    request = (
        b"GET /gmail/v1/users/me/messages/%s?format=minimal HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
    )
    requests = [request % (id_.encode(), token) for id_ in ids]

    received = _exchange(client, b"".join(requests[:-1]) + _closing(requests[-1])).decode()

    positions = [received.find(f'"id":"{id_}"') for id_ in ids]
    assert -1 not in positions and positions == sorted(positions)


def test_a_request_may_come_in_crumbs(serve: Serve) -> None:
    whole = _closing(_HEALTH)

    assert b"200 OK" in _exchange(serve(), *(whole[n : n + 1] for n in range(len(whole))))


def test_a_chunked_body_is_put_together(serve: Serve) -> None:
    client = serve()
    head = f"POST /_sim/users/{client.email}/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    chunks = b"9\r\nSubject: \r\n8\r\nx\r\n\r\nyes\r\n0\r\n\r\n"

    _exchange(client, head + b"Transfer-Encoding: chunked\r\n\r\n", chunks)

    newest = client.get("messages", q="subject:x yes")["messages"][0]["id"]
    assert client.raw(newest) == b"Subject: x\r\n\r\nyes"


def test_a_client_that_asks_first_is_told_to_continue(serve: Serve) -> None:
    client = serve()
    head = b"POST /_sim/faults HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"

    received = _exchange(client, head, b"{}")

    assert received.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"400"),
        (b"POST /token HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", b"413"),
        (
            b"POST /token HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
            b"400",
        ),
    ],
)
def test_a_bad_request_is_answered_and_the_connection_closed(serve: Serve, request_: bytes, status: bytes) -> None:
    received = _exchange(serve(), request_)

    assert received.startswith(b"HTTP/1.1 " + status)
    assert b"Connection: close" in received


def test_a_large_message_arrives_whole_at_a_slow_reader(serve: Serve) -> None:
    client = serve(generate=0, hostile=True)
    large = max(client.held().values(), key=lambda message: int(message["size"]))

    assert len(client.raw(large["id"])) == large["size"] > 20_000_000


def test_a_client_that_leaves_early_disturbs_nobody(serve: Serve) -> None:
    client = serve(latency_ms=50)
    for _ in range(5):
        with _connect(client) as connection:
            connection.sendall(
                f"GET /gmail/v1/users/me/profile HTTP/1.1\r\nAuthorization: {client.token}\r\n\r\n".encode()
            )

    assert client.call("GET", "profile").status == 200

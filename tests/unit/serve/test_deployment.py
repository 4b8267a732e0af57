"""serve/deployment.py: what of it needs no Ray."""

import pickle

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve.config import EdgeConfig, ScaleConfig, ServeConfig
from serve.deployment import GatewayFailed, _deployment, _last_line, _ServeRequestId
from serve.port_check import PortOccupied
from storage.errors import BackupError


@pytest.mark.parametrize(
    "error", [PortOccupied("127.0.0.1", 8000, "GBM_SERVE__PORT", "it is in use"), GatewayFailed("no key.")]
)
def test_errors_travel_between_processes(error: BackupError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), str(copy)) == (type(error), str(error))
    assert str(error).endswith(".")


def test_only_the_last_line_of_a_traceback_is_reported() -> None:
    assert _last_line("Traceback:\n  File x\nValueError: no key\n\n") == "ValueError: no key"
    assert _last_line(" \n") == "no reason was given."


@pytest.mark.parametrize(("connections", "at_a_time"), [(2048, 64), (32, 64)])
def test_serve_lets_in_whatever_the_proxy_does(connections: int, at_a_time: int) -> None:
    """Its own places are taken by arrival and held by slow readers: they must never be the bound."""
    config = ServeConfig(edge=EdgeConfig(connections=connections), scale=ScaleConfig(max_requests=at_a_time))

    assert _deployment("emails", config).max_ongoing_requests == max(connections, at_a_time)


async def test_the_request_id_is_left_to_serve() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-request-id", b"ours"), (b"etag", b"x")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        raise AssertionError("nothing to receive")

    async def send(message: Message) -> None:
        sent.append(message)

    await _ServeRequestId(app)({"type": "http"}, receive, send)

    assert sent[0]["headers"] == [(b"etag", b"x")]
    assert len(sent) == 2

"""serve/deployment.py: what of it needs no Ray."""

import pickle
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import pytest
from ray.serve.schema import ProxyStatus
from starlette.types import Message, Receive, Scope, Send

from serve import deployment
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


def test_a_proxy_that_starts_slowly_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([{}, {"node": ProxyStatus.STARTING}, {"node": ProxyStatus.HEALTHY}])
    serve = _Serve(lambda: next(seen))
    monkeypatch.setattr(deployment, "ray_serve", serve)
    monkeypatch.setattr(deployment, "_PROXY_POLL_S", 0.0)

    deployment._start_serve({"port": 1})

    assert serve.started == [{"port": 1}]
    assert next(seen, None) is None


def test_a_proxy_that_does_not_start_is_an_error_of_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "ray_serve", _Serve(dict))
    monkeypatch.setattr(deployment, "_PROXY_POLL_S", 0.0)
    monkeypatch.setattr(deployment, "_PROXY_S", 0.01)

    with pytest.raises(GatewayFailed, match="its proxy has not started within"):
        deployment._start_serve({})


class _Serve:
    """Serve, whose proxy takes longer than Serve waits."""

    def __init__(self, proxies: Callable[[], Mapping[str, ProxyStatus]]) -> None:
        self._proxies = proxies
        self.started: list[Mapping[str, object]] = []

    def start(self, http_options: Mapping[str, object]) -> None:
        self.started.append(http_options)
        raise TimeoutError("HTTP proxies not available after 60s.")

    def status(self) -> SimpleNamespace:
        return SimpleNamespace(proxies=self._proxies())


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

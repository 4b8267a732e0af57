"""serve/http/prefixes.py: which application receives a request."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from serve.http.prefixes import PrefixMiddleware
from serve.settings import PREFIXES


async def _receiver(scope: dict[str, Any]) -> str:
    """The name of the application that receives a request."""
    received: list[str] = []

    def named(name: str) -> Any:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            received.append(name)

        return app

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nothing is received or sent")

    others = {prefix: named(name) for name, prefix in PREFIXES.items() if prefix != "/"}
    await PrefixMiddleware(named("gateway"), others)(scope, nothing, nothing)
    (name,) = received
    return name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/", "gateway"),
        (b"/health", "gateway"),
        (b"/api/v1", "emails"),
        (b"/api/v1/emails", "emails"),
        (b"/api/v1/labels", "emails"),
        (b"/api/v1/auth", "auth"),
        (b"/api/v1/auth/token", "auth"),
        (b"/api/v1/authors", "emails"),
        (b"/api/v1/sync/status", "sync"),
        (b"/api/v1/analytics/query", "analytics"),
        (b"/api/v1/push/gmail", "push"),
        (b"/api/v2/emails", "gateway"),
        (b"/%61pi/v1/emails", "gateway"),
        (b"/API/V1/EMAILS", "gateway"),
        (b"//api/v1/emails", "gateway"),
        (b"/health/../api/v1/emails", "gateway"),
    ],
)
async def test_the_longest_prefix_of_the_undecoded_path_decides(path: bytes, name: str) -> None:
    decoded = path.decode().replace("%61", "a")

    assert await _receiver({"type": "http", "path": decoded, "raw_path": path}) == name


async def test_a_server_that_keeps_no_raw_path_is_served_by_the_path() -> None:
    assert await _receiver({"type": "http", "path": "/api/v1/sync/status"}) == "sync"


async def test_the_lifespan_is_the_root_applications() -> None:
    assert await _receiver({"type": "lifespan"}) == "gateway"

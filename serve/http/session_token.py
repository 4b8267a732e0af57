"""X-GBM-Position: the state that a request must see, and the state that its reads have seen.

A client that sends the header of its last response never sees an older state. The middleware stores the position in a
context variable, which threads inherit; serve/mail/readers.py reads it, and storage/replication/routing.py chooses the
database. Without database replicas, responses have no such header.
"""

from contextvars import ContextVar
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems
from storage.replication.routing import ReadSession
from storage.replication.session_token import MOST_CHARACTERS, PATTERN, InvalidSessionToken, SessionToken

HEADER = "X-GBM-Position"
_DESCRIPTION = "Position of your reads in the backup. Send the value of the last response to read no older state."

_session: ContextVar[ReadSession | None] = ContextVar("read_session", default=None)


def read_session() -> ReadSession:
    """The session of the current request; a new one outside of requests."""
    return _session.get() or ReadSession()


class SessionTokenMiddleware:
    """Reads the header of a request and sets the header of the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["state"].get("policy") is None:  # 404 and 405 read no mail
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER)
        try:
            mine = ReadSession(SessionToken.decode(given) if given is not None else None)
        except InvalidSessionToken as exc:
            await problems.of_error(scope, exc)(scope, receive, send)
            return

        async def send_with_token(message: Message) -> None:
            if message["type"] == "http.response.start" and mine.seen.positions:
                MutableHeaders(scope=message)[HEADER] = mine.seen.encode()
            await send(message)

        token = _session.set(mine)
        try:
            await self._app(scope, receive, send_with_token)
        finally:
            _session.reset(token)


def describe(document: dict[str, Any], prefixes: tuple[str, ...]) -> None:
    """Add the header to the operations under these prefixes of an OpenAPI document."""
    given = {"type": "string", "minLength": 2, "maxLength": MOST_CHARACTERS, "pattern": PATTERN}
    parameter = {"name": HEADER, "in": "header", "required": False, "description": _DESCRIPTION, "schema": given}
    for path, operations in document.get("paths", {}).items():
        if path.startswith(prefixes):
            for operation in operations.values():
                operation.setdefault("parameters", []).append(parameter)
                operation["responses"].setdefault("400", operation["responses"]["429"] | {"description": "Bad Request"})
                for status, answer in operation["responses"].items():
                    if status.startswith("2"):
                        answer.setdefault("headers", {})[HEADER] = {
                            "description": _DESCRIPTION,
                            "schema": {"type": "string"},
                        }

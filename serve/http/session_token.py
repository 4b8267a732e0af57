"""X-GBM-Position: what a request must see, what its reads have seen.

A client hands the header of any answer on with its next request, and never sees an older state than before. The
middleware keeps it in the request's context, which threads inherit; serve/mail/readers.py takes it from there. Without
replicas there is nothing to tell, and no header. Only the wish and the answer are here: storage/replication/routing.py
reads.
"""

from contextvars import ContextVar
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems
from storage.replication.routing import ReadSession
from storage.replication.session_token import MOST_CHARACTERS, PATTERN, InvalidSessionToken, SessionToken

HEADER = "X-GBM-Position"
_SAYS = "How far your reads have seen the backup: send the last answer's to see nothing older."

_sight: ContextVar[ReadSession | None] = ContextVar("sight", default=None)


def read_session() -> ReadSession:
    """The present request's; outside of one, a new one."""
    return _sight.get() or ReadSession()


class SessionTokenMiddleware:
    """Takes the header of a request, gives the answer its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["state"].get("policy") is None:  # 404 and 405 read nothing
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER)
        try:
            mine = ReadSession(SessionToken.decode(given) if given is not None else None)
        except InvalidSessionToken as exc:
            await problems.of_error(scope, exc)(scope, receive, send)
            return

        async def send_with_token(message: Message) -> None:
            if message["type"] == "http.response.start" and mine.seen.marks:
                MutableHeaders(scope=message)[HEADER] = mine.seen.encode()
            await send(message)

        token = _sight.set(mine)
        try:
            await self._app(scope, receive, send_with_token)
        finally:
            _sight.reset(token)


def describe(document: dict[str, Any], prefixes: tuple[str, ...]) -> None:
    """Add the header to the operations under these prefixes of an OpenAPI document."""
    given = {"type": "string", "minLength": 2, "maxLength": MOST_CHARACTERS, "pattern": PATTERN}
    parameter = {"name": HEADER, "in": "header", "required": False, "description": _SAYS, "schema": given}
    for path, operations in document.get("paths", {}).items():
        if path.startswith(prefixes):
            for operation in operations.values():
                operation.setdefault("parameters", []).append(parameter)
                operation["responses"].setdefault("400", operation["responses"]["429"] | {"description": "Bad Request"})
                for status, answer in operation["responses"].items():
                    if status.startswith("2"):
                        answer.setdefault("headers", {})[HEADER] = {"description": _SAYS, "schema": {"type": "string"}}

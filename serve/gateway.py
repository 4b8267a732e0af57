"""The stack that every application wears: request ids, access log, limits, security headers, problems.

Pure ASGI, so that it costs a request no task of its own. Paths are whole ("/api/v1/emails"), whichever prefix the
proxy matched. The log has no query text, no header and no body, because these carry searches and secrets.
"""

import logging
import re
import time
import uuid
from collections.abc import Sequence
from urllib.parse import quote

from fastapi import APIRouter, FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve import problems
from serve.admission import Admission
from serve.authentication import Authenticate
from serve.config import ServeConfig
from serve.policies import require_policies
from serve.positions import Positions

TITLE = "Gmail Backup Manager"

_LOG = logging.getLogger("serve.access")
_FAILED = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def application(
    name: str, routers: Sequence[APIRouter], config: ServeConfig, authenticate: Authenticate | None = None
) -> FastAPI:
    """An app of these routers that wears the stack. Its own documentation is off: serve/root.py has all of it.

    Args:
        authenticate: None: all its routes are public.
    """
    app = FastAPI(title=f"{TITLE}: {name}", openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router)
    routes = app.state.routes = [route for router in routers for route in router.routes]
    require_policies(routes)
    problems.install(app)
    app.add_middleware(Admission, routes=routes, authenticate=authenticate)
    app.add_middleware(BodyLimit, limit_bytes=config.body_bytes)
    app.add_middleware(Positions)
    app.add_middleware(Frame)  # added last: outermost
    return app


class Frame:
    """Names the request, logs its end, turns what escapes into a problem, adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope["root_path"] = ""
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, framed)
        except Exception:
            _FAILED.exception("Request %s failed on a defect", request_id)
            if status:
                raise  # half a response is out: only a cut connection tells the client
            await problems.internal(scope)(scope, receive, framed)
        finally:
            _LOG.info(
                "%s %s %d %.1f ms user=%s request=%s",
                scope["method"],
                quote(scope["path"]),
                status,
                (time.perf_counter() - started) * 1000,
                scope["state"].get("user_id", "-"),
                request_id,
            )


class BodyLimit:
    """Refuses bodies that are larger than the limit, by what they say and by what arrives."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared[:20]) > self._limit_bytes:
            await problems.of_status(scope, 413 if declared.isdecimal() else 400)(scope, receive, send)
            return
        received, started = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if started:
                raise
            await problems.of_status(scope, 413)(scope, receive, send)


class _TooLarge(BaseException):
    """The body outgrew the limit. No `Exception`, so that nobody who parses the body takes it for bad input."""


def _request_id(given: str | None) -> str:
    """The client's id if it is harmless in a log, else one of ours."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

"""The outermost middleware: request id, trace context, access log, security headers, unexpected exceptions.

The access log contains no query strings, headers or bodies, because these contain searches and secrets.
"""

import logging
import re
import time
import uuid
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import problems, tracing
from serve.http.paced_response import SlowReader

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


class RequestContextMiddleware:
    """Sets the request id, trace context and security headers, and logs the request.

    Adds the headers in `scope["state"]["headers"]` to the response. Answers 500 to unexpected exceptions.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope["root_path"] = ""
        given = Headers(scope=scope)
        request_id = _request_id(given.get("x-request-id"))
        span = tracing.begin(given.get(tracing.HEADER), given.get(tracing.STATE))
        tracing.enter(span)
        state = scope.setdefault("state", {})
        state.update(request_id=request_id, trace_id=span.trace_id, headers={})
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                for name, value in state["headers"].items():
                    headers[name] = value
                headers["X-Request-ID"] = request_id
                headers[tracing.HEADER] = span.traceparent
                if span.state:
                    headers[tracing.STATE] = span.state
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except SlowReader:
            raise  # closes the connection
        except Exception:
            _FAILED.exception("Request %s failed with an unexpected exception", request_id)
            if status:
                raise  # the response has begun: closing the connection is the only way to signal the failure
            await problems.internal(scope)(scope, receive, send_with_headers)
        finally:
            _LOG.info(
                "%s %s %d %.1f ms user=%s request=%s trace=%s",
                scope["method"],
                quote(scope["path"]),
                status,
                (time.perf_counter() - started) * 1000,
                state.get("user_id", "-"),
                request_id,
                span.trace_id,
            )


def _request_id(given: str | None) -> str:
    """The client's id if it is safe to log, else a new id."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

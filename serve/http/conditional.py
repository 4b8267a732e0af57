"""Selected `fields`, ETag and compression of JSON responses to GET, in this order.

The ETag is weak, because it identifies the document before compression. Streams, files and errors are not changed.

Responses that contain a secret (tokens, new keys) answer POST and are never compressed: the length of a compressed
secret beside text that an attacker chose reveals the secret (BREACH).
"""

import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http import field_mask, problems
from storage.errors import BackupError

_SMALL = 1024  # bytes; smaller responses are not compressed
_LEVEL = 5  # a page of 50 messages (25 KB) takes 0.4 ms and shrinks to a fifth


class ConditionalResponseMiddleware:
    """Selects fields, sets the ETag and compresses complete JSON responses to GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = scope["state"].get("policy") if scope["type"] == "http" else None
        if policy is None or policy.cost == 0 or scope["method"] != "GET":  # routes without cost are probes
            await self._app(scope, receive, send)
            return
        try:
            wanted = field_mask.parse(QueryParams(scope["query_string"]).get("fields"))
        except BackupError as exc:
            await problems.of_error(scope, exc)(scope, receive, send)
            return
        start: Message | None = None

        async def represented(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_document(message):
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                if message.get("more_body"):  # a stream is passed on unchanged
                    await send(start)
                else:
                    try:
                        message = {**message, "body": _represent(scope, start, message.get("body", b""), wanted)}
                    except BackupError as exc:
                        start = None
                        await problems.of_error(scope, exc)(scope, receive, send)
                        return
                    await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, represented)


def etag(body: bytes) -> str:
    """Weak ETag of a document."""
    return f'W/"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def matches(tag: str, if_none_match: str | None) -> bool:
    """Whether an If-None-Match header contains an ETag (RFC 9110, 13.1.2: weak comparison)."""
    if if_none_match is None:
        return False
    given = [candidate.strip() for candidate in if_none_match.split(",")]
    return "*" in given or tag.removeprefix("W/") in {candidate.removeprefix("W/") for candidate in given}


def _is_document(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-type", "").startswith("application/json")


def _represent(scope: Scope, start: Message, body: bytes, wanted: Mapping[str, Any] | None) -> bytes:
    """Return the body to send, and set status and headers in `start`."""
    if wanted is not None:
        body = orjson.dumps(field_mask.narrow(orjson.loads(body), wanted))
    given, headers = Headers(scope=scope), MutableHeaders(raw=start["headers"])
    tag = headers["ETag"] = headers.get("etag") or etag(body)
    headers.setdefault("Cache-Control", "private, no-cache")
    headers.add_vary_header("Authorization, Cookie, Accept-Encoding")
    if matches(tag, given.get("if-none-match")):
        start["status"] = 304
        for name in ("content-length", "content-type"):
            del headers[name]
        return b""
    if len(body) >= _SMALL and "gzip" in given.get("accept-encoding", ""):
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(body))
    return body

"""Google's HTTP batches: one multipart/mixed request with many calls, one response with many parts. No I/O.

Source: developers.google.com/workspace/gmail/api/guides/batch (read 2026-11).
"""

import re
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus

from cluster.simulator.answers import Answer, invalid
from cluster.simulator.call import HttpCall

CALLS_MAX = 100

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_BREAK = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(rb"([A-Z]+) (?:https?://[^/ ]+)?(/[^ \r\n]*)(?: HTTP/[\d.]+)?\r?(?:\n|$)")


def parse_batch(request: HttpCall) -> list[tuple[str, HttpCall]]:
    """The calls of a batch in order, each with its Content-ID (empty if absent).

    A call without an Authorization header inherits that of the batch.

    Raises:
        GoogleError: 400, it is malformed, empty, or has over `CALLS_MAX` calls.
    """
    boundary = _BOUNDARY.search(request.content_type)
    if boundary is None or not request.content_type.lower().startswith("multipart/mixed"):
        raise invalid("The batch request has no multipart/mixed boundary.")
    delimiter = b"\n--" + (boundary[1] or boundary[2]).encode("latin-1")
    sections = (b"\n" + request.body).split(delimiter)
    calls = []
    for section in sections[1:]:
        if section.startswith(b"--"):
            break
        calls.append(_parse_part(section, request.authorization))
    if not calls:
        raise invalid("The batch request must not be empty.")
    if len(calls) > CALLS_MAX:
        raise invalid(f"The batch request has {len(calls)} calls; at most {CALLS_MAX} are allowed.")
    return calls


def answer_batch(request: HttpCall, answer: Callable[[HttpCall], Answer]) -> Answer:
    """Answer each call by itself; the batch succeeds even if all of them fail."""
    calls = parse_batch(request)
    boundary = "batch_" + sha256(request.body[:4096]).hexdigest()[:24]
    pieces: list[bytes] = []
    for content_id, call in calls:
        pieces.append(_format_part(boundary, content_id, answer(call)))
    pieces.append(f"--{boundary}--\r\n".encode())
    return Answer(200, b"".join(pieces), f"multipart/mixed; boundary={boundary}")


def _parse_part(section: bytes, authorization: str) -> tuple[str, HttpCall]:
    outer, _, inner = _split(section.lstrip(b" \t").removeprefix(b"\r").removeprefix(b"\n"))
    line = _REQUEST_LINE.match(inner.lstrip())
    if line is None:
        raise invalid("Failed to parse a call inside the batch request.")
    rest = inner.lstrip()[line.end() :]
    block, _, body = (b"", b"", rest[1:]) if rest[:1] == b"\n" else _split(rest)
    headers = _headers(block)
    if "content-length" in headers and headers["content-length"].isdecimal():
        body = body[: int(headers["content-length"])]
    else:
        body = body.removesuffix(b"\r")  # the rest of the break before the delimiter
    call = HttpCall(
        line[1].decode(),
        line[2].decode("latin-1"),
        headers.get("authorization", authorization),
        headers.get("content-type", ""),
        body,
    )
    return _headers(outer).get("content-id", ""), call


def _split(text: bytes) -> tuple[bytes, bytes, bytes]:
    if text[:2] == b"\r\n":
        return b"", b"\r\n", text[2:]
    match = _BREAK.search(text)
    if match is None:
        return text, b"", b""
    return text[: match.start()], match[0], text[match.end() :]


def _headers(block: bytes) -> dict[str, str]:
    headers = {}
    for line in block.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers


def _format_part(boundary: str, content_id: str, answer: Answer) -> bytes:
    echo = f"Content-ID: {_response_id(content_id)}\r\n" if content_id else ""
    extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    head = (
        f"--{boundary}\r\nContent-Type: application/http\r\n{echo}\r\n"
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n{extra}Content-Length: {len(answer.body)}\r\n\r\n"
    )
    return head.encode("latin-1") + answer.body + b"\r\n"


def _response_id(content_id: str) -> str:
    if content_id.startswith("<"):
        return f"<response-{content_id[1:]}"
    return f"response-{content_id}"

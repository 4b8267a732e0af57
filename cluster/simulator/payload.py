"""A message in the formats that need its structure: full and metadata.

Computed on each request with the standard library's parser, which reads anything without raising; the raw format,
which a backup uses, never comes here. Body data is what the transfer encoding held, in its own charset.
"""

import email
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as Part
from typing import Any

import pybase64

from cluster.simulator.headers import body_start


def payload(message_id: str, raw: bytes) -> dict[str, Any]:
    """The tree of parts: headers, body data or attachment ids; only the top headers if it is nested too deep."""
    try:
        return _part(message_id, "", email.message_from_bytes(raw))
    except RecursionError:
        return {"partId": "", "filename": "", "body": {"size": 0}} | metadata(raw, frozenset())


def metadata(raw: bytes, only: frozenset[str]) -> dict[str, Any]:
    """Only the top headers; those named in `only` (lower case) if it is not empty."""
    parsed = email.message_from_bytes(raw[: body_start(raw)])
    headers = [h for h in _headers(parsed) if not only or h["name"].lower() in only]
    return {"mimeType": parsed.get_content_type(), "headers": headers}


def attachment(message_id: str, raw: bytes, attachment_id: str) -> bytes | None:
    """The bytes of an attachment; None if the message has none by this id."""
    try:
        for part_id, part in _walk("", email.message_from_bytes(raw)):
            if _attachment_id(message_id, part_id) == attachment_id:
                return _content(part)
    except RecursionError:
        return None
    return None


def base64url(data: bytes) -> str:
    return pybase64.urlsafe_b64encode(data).decode("ascii")


def _part(message_id: str, part_id: str, part: Part) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "partId": part_id,
        "mimeType": part.get_content_type(),
        "filename": _filename(part),
        "headers": list(_headers(part)),
    }
    children = list(_children(part_id, part))
    if children:
        return shown | {
            "body": {"size": 0},
            "parts": [_part(message_id, child_id, child) for child_id, child in children],
        }
    content = _content(part)
    if shown["filename"] or part.get_content_maintype() != "text":
        body = {"attachmentId": _attachment_id(message_id, part_id), "size": len(content)}
    else:
        body = {"size": len(content), "data": base64url(content)}
    return shown | {"body": body}


def _walk(part_id: str, part: Part) -> Iterator[tuple[str, Part]]:
    yield part_id, part
    for child_id, child in _children(part_id, part):
        yield from _walk(child_id, child)


def _children(part_id: str, part: Part) -> Iterator[tuple[str, Part]]:
    inside = part.get_payload()
    if isinstance(inside, list):
        for index, child in enumerate(inside):
            if isinstance(child, Part):
                yield (f"{part_id}.{index}" if part_id else str(index)), child


def _content(part: Part) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _filename(part: Part) -> str:
    try:
        return _decoded(part.get_filename() or "")
    except (HeaderParseError, LookupError, ValueError, TypeError):
        return ""


def _headers(part: Part) -> Iterator[dict[str, str]]:
    for name, value in part.raw_items():
        yield {"name": _clean(str(name)), "value": _decoded(str(value))}


def _decoded(value: str) -> str:
    unfolded = "".join(value.splitlines())
    if "=?" in unfolded:
        try:
            return _clean(str(make_header(decode_header(unfolded))))
        except (HeaderParseError, LookupError, ValueError):
            return _clean(unfolded)
    return _clean(unfolded)


def _clean(text: str) -> str:
    """Raw 8-bit bytes reach us as lone surrogates, which JSON cannot carry."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _attachment_id(message_id: str, part_id: str) -> str:
    return "ANGjdJ" + pybase64.urlsafe_b64encode(f"{message_id}:{part_id}".encode()).decode().rstrip("=")

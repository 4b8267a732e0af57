"""Splits the response of an HTTP batch into the responses of its calls.

No I/O. Accepts complete and truncated responses: a part counts once the delimiter after it has arrived, so
the parts before a cut are kept (their quota is spent). Raises only if the response is not multipart.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message

from jobs.gmail.errors import AnswerUnreadable

_PREFIX = "response-"
_FIRST_CONTENT_ID = re.compile(rb"^content-id:\s*<response-([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)
_FIRST_HEADER_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class BatchPart:
    """The answer to one call of the batch. `content_id` is the one that the call carried; `body` is not a copy."""

    content_id: str
    status: int
    headers: Mapping[str, str]
    body: memoryview


def split(content_type: str, body: bytes | bytearray) -> Iterator[BatchPart]:
    """The complete, well-formed parts of a batch answer, in its order; others are left out.

    Raises:
        AnswerUnreadable: the content type is not multipart or names no boundary.
    """
    delimiter = b"--" + _boundary(content_type)
    start = _next_delimiter(body, delimiter, 0)
    while start >= 0:
        start += len(delimiter)
        if body[start : start + 2] == b"--":
            return
        end = _next_delimiter(body, delimiter, start)
        if end < 0:
            return
        part = _part(body, start, end)
        if part is not None:
            yield part
        start = end


def first_content_id(body: bytes | bytearray) -> str:
    """The id that the first part answers, though the part itself may be incomplete; empty when unknown."""
    found = _FIRST_CONTENT_ID.search(body[:_FIRST_HEADER_MAX_BYTES])
    return found[1].decode("latin-1") if found else ""


def _boundary(content_type: str) -> bytes:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_maintype() != "multipart" or not boundary:
        raise AnswerUnreadable(f"a batch was answered with {content_type[:80]!r}")
    return boundary.encode("ascii", "replace")


def _next_delimiter(body: bytes | bytearray, delimiter: bytes, start: int) -> int:
    """Where the next delimiter line begins; -1 if no delimiter line is complete.

    Only at the start of a line and with nothing but blanks after it: the same letters inside a message
    are the message's.
    """
    while (found := body.find(delimiter, start)) >= 0:
        after = found + len(delimiter)
        if found == 0 or body[found - 1 : found] == b"\n":
            line_end = body.find(b"\n", after)
            rest = body[after : line_end if line_end >= 0 else len(body)].strip()
            if rest == b"--" or (rest == b"" and line_end >= 0):
                return found
        start = after
    return -1


def _part(body: bytes | bytearray, start: int, end: int) -> BatchPart | None:
    """The part between two delimiters: its MIME header, then an HTTP answer; None when it is neither."""
    mime_header, _, inner_start = _header_block(body, start, end)
    content_id = mime_header.get("content-id", "").strip("<> \t")
    if inner_start < 0 or not content_id.startswith(_PREFIX):
        return None
    headers, status_line, content_start = _header_block(body, inner_start, end)
    words = status_line.split(None, 2)
    if content_start < 0 or len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        return None
    length = headers.get("content-length", "")
    if length.isdigit():
        content_end = content_start + int(length)
    else:
        # Without a length the line break before the delimiter is the delimiter's.
        content_end = end - 2 if body[end - 2 : end] == b"\r\n" else end - 1
    if not content_start <= content_end <= end:
        return None
    return BatchPart(
        content_id.removeprefix(_PREFIX), int(words[1]), headers, memoryview(body)[content_start:content_end]
    )


def _header_block(body: bytes | bytearray, start: int, end: int) -> tuple[dict[str, str], str, int]:
    """Headers (names in lower case), the first line, and where the content begins (-1: no end of headers)."""
    stop, width = body.find(b"\r\n\r\n", start, end), 4
    bare = body.find(b"\n\n", start, end if stop < 0 else stop)
    if bare >= 0:
        stop, width = bare, 2
    if stop < 0:
        return {}, "", -1
    lines = body[start:stop].decode("latin-1").strip().splitlines()
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
    return headers, lines[0] if lines else "", stop + width

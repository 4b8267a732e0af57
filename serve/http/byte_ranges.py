"""Downloads of mail content: in pieces, in byte ranges, with safe file names and media types.

Mail is hostile input: only media types that browsers cannot execute are kept; all others become
application/octet-stream.
Sources: RFC 9110 (ranges, conditions), RFC 6266 and 8187 (Content-Disposition).
"""

import hashlib
import re
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse

from jobs.mime.charset import cut
from serve.http.conditional import matches

_PIECE = 256 << 10
_SAFE = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/bmp",
        "application/pdf",
        "text/plain",
        "text/csv",
        "text/calendar",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/mp4",
        "video/mp4",
        "video/webm",
        "video/ogg",
        "application/zip",
        "application/gzip",
        "message/rfc822",
    }
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
#: In UTF-8. File systems allow 255 bytes, and browsers append suffixes such as " (1)".
_NAME_BYTES = 200
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class File:
    """A download. tag: strong ETag of the content."""

    content: bytes
    filename: str
    media_type: str
    tag: str


def file(content: bytes, filename: str, content_type: str) -> File:
    """Make a download of mail content. Hashes the content: call it from a thread."""
    media_type = content_type.lower()
    safe = media_type if media_type in _SAFE else "application/octet-stream"
    return File(content, filename, safe, f'"{hashlib.sha256(content).hexdigest()}"')


def response(given: Headers, sent: File) -> Response:
    """Response to a GET of a file: 200, 206 for a range, 304 if the client has it, or 416."""
    size = len(sent.content)
    headers = {
        "ETag": sent.tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(sent.filename),
        "Content-Security-Policy": _POLICY,
    }
    if matches(sent.tag, given.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    wanted = _range(given, sent.tag, size)
    if wanted is None:
        start, end, status = 0, size, 200
    elif wanted[0] >= wanted[1]:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    else:
        (start, end), status = wanted, 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    if end - start <= _PIECE:
        return Response(sent.content[start:end], status, headers, sent.media_type)
    return StreamingResponse(_pieces(sent.content, start, end), status, headers, sent.media_type)


def disposition(filename: str) -> str:
    """Value of `Content-Disposition` for a safe form of this file name."""
    name = clean_name(filename)
    plain = re.sub(r'["\\%]', "_", name.encode("ascii", "replace").decode().replace("?", "_"))
    value = f'attachment; filename="{plain}"'
    return value if plain == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"


def clean_name(filename: str) -> str:
    """Remove folders, control and bidirectional characters, and reserved device names from a file name."""
    name = re.split(r"[/\\]", filename)[-1]
    name = "".join(char for char in name if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    name = re.sub(r'[<>:"|?*]', "_", name).strip(". ")
    if len(name.encode()) > _NAME_BYTES:
        stem, dot, ending = name.rpartition(".")
        ending = f".{ending}" if dot and len(ending) <= 10 else ""
        name = cut(stem or name, _NAME_BYTES - len(ending.encode())) + ending
    if not name or _RESERVED.match(name):
        name = f"file-{name}".rstrip("-")
    return name


def _range(given: Headers, tag: str, size: int) -> tuple[int, int] | None:
    """Start and end of the requested range; end <= start: not satisfiable; None: send the whole file."""
    header = given.get("range")
    if header is None or given.get("if-range", tag) != tag:
        return None
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None  # a server may ignore several ranges and invalid ones
    first, last = match[1], match[2]
    if not first:
        return max(size - int(last), 0), size
    end = min(int(last) + 1, size) if last else size
    return (int(first), end) if int(first) < size else (size, size)


async def _pieces(content: bytes, start: int, end: int) -> AsyncIterator[bytes]:
    view = memoryview(content)
    for at in range(start, end, _PIECE):
        yield bytes(view[at : min(at + _PIECE, end)])

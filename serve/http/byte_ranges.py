"""Bytes of mail on their way out: in pieces, in ranges, under names and types that no browser acts on.

Mail is hostile: only types that show or play, and cannot run, keep their name; everything else is bytes to save.
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
#: Of UTF-8: file systems take 255, and browsers add " (1)" and more.
_NAME_BYTES = 200
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class File:
    """Something to download. `tag`: of its bytes, strong."""

    content: bytes
    filename: str
    media_type: str
    tag: str


def file(content: bytes, filename: str, content_type: str) -> File:
    """Bytes of mail as something to download; hashes them, so call it from a thread."""
    media_type = content_type.lower()
    safe = media_type if media_type in _SAFE else "application/octet-stream"
    return File(content, filename, safe, f'"{hashlib.sha256(content).hexdigest()}"')


def response(given: Headers, sent: File) -> Response:
    """The answer to a GET of a file: whole, a range of it, or that the client has it."""
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
    return StreamingResponse(_pieces(sent.content, start, end), status, headers, sent.media_type)


def disposition(filename: str) -> str:
    """`Content-Disposition` that saves under a name like this one, whatever it has in it."""
    name = clean_name(filename)
    plain = re.sub(r'["\\%]', "_", name.encode("ascii", "replace").decode().replace("?", "_"))
    value = f'attachment; filename="{plain}"'
    return value if plain == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"


def clean_name(filename: str) -> str:
    """A file's name without folders, control characters, marks that turn the reading direction, or a device's name."""
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
    """Start and end of the one range that is asked for; end <= start: there is none such; None: everything."""
    asked = given.get("range")
    if asked is None or given.get("if-range", tag) != tag:
        return None
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None  # several ranges, or none that is understood: everything answers it, too
    if not found[1]:
        return max(size - int(found[2]), 0), size
    end = min(int(found[2]) + 1, size) if found[2] else size
    return (int(found[1]), end) if int(found[1]) < size else (size, size)


async def _pieces(content: bytes, start: int, end: int) -> AsyncIterator[bytes]:
    view = memoryview(content)
    for at in range(start, end, _PIECE):
        yield bytes(view[at : min(at + _PIECE, end)])

"""The first words of a message, as Gmail shows them in a list.

An approximation that looks only at the first kilobytes: Gmail's rule is unpublished, and every raw get carries
a snippet, so this must cost microseconds. Never raises, whatever the bytes.
"""

import binascii
import html
import quopri
import re

from cluster.simulator.headers import body_start

_LOOK_BYTES = 8 * 1024
# Of plain text, which has no markup to skip, less is enough.
_PLAIN_BYTES = 1024
_WORDS_MAX = 200
_DEPTH_MAX = 5

_HEADER = re.compile(
    rb"^(content-type|content-transfer-encoding)[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.I | re.M
)
_BOUNDARY = re.compile(rb'boundary\s*=\s*"?([^";\r\n]+)', re.I)
_CHARSET = re.compile(rb'charset\s*=\s*"?([A-Za-z0-9_.:-]+)', re.I)
_INVISIBLE = re.compile(r"<(style|script|head)\b.*?(</\1>|$)|<!--.*?(-->|$)", re.I | re.S)
_TAG = re.compile(r"<[^>]*>?")


def snippet(raw: bytes) -> str:
    """At most 200 characters of the first text, HTML-escaped as in Gmail's answers."""
    body = body_start(raw)
    text = _text(raw[:body], raw[body : body + _LOOK_BYTES], 0)
    return html.escape(" ".join(text.split())[:_WORDS_MAX].rstrip())


def _text(head: bytes, body: bytes, depth: int) -> str:
    fields = {m[1].lower(): m[2] for m in _HEADER.finditer(head)}
    content_type = fields.get(b"content-type", b"text/plain").lower()
    if content_type.startswith(b"multipart/"):
        boundary = _BOUNDARY.search(fields[b"content-type"])
        if boundary is None or depth == _DEPTH_MAX:
            return ""
        for part in body.split(b"--" + boundary[1].strip())[1:]:
            part = part.partition(b"\n")[2]  # the rest of the delimiter line
            start = body_start(part)
            text = _text(part[:start], part[start:], depth + 1)
            if text:
                return text
        return ""
    if not content_type.startswith(b"text/"):
        return ""
    if content_type.startswith(b"text/plain"):
        body = body[:_PLAIN_BYTES]
    text = _decode(body, fields.get(b"content-transfer-encoding", b"").strip().lower(), content_type)
    if content_type.startswith(b"text/html"):
        text = html.unescape(_TAG.sub(" ", _INVISIBLE.sub(" ", text)))
    return text.strip()


def _decode(body: bytes, encoding: bytes, content_type: bytes) -> str:
    if encoding == b"quoted-printable":
        body = quopri.decodestring(body)
    elif encoding == b"base64":
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        # Cut off in the middle, one digit alone holds no byte.
        digits = digits[:-1] if len(digits) % 4 == 1 else digits
        try:
            body = binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
        except binascii.Error:
            return ""
    charset = _CHARSET.search(content_type)
    try:
        return body.decode(charset[1].decode("ascii") if charset else "utf-8", "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")

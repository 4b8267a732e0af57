"""Undo Content-Transfer-Encoding, recovering what damaged content still holds."""

import binascii
import re
from collections.abc import Iterator

import pybase64

from jobs.mime.defects import Defects

_WHITE = b" \t\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_ALPHABET = bytes(set(range(256)) - set(_ALPHABET))
_NOT_IN_CODES = re.compile(r"[^a-z0-9._-]")
_NOT_LETTERS = re.compile(r"[^a-z0-9]")
_AS_IT_IS = frozenset({"", "7bit", "8bit", "binary", "8-bit", "7-bit", "none"})
_UU = frozenset({"x-uuencode", "x-uue", "uuencode", "uue"})
#: Encodings by their letters and digits: "quoted/printable", "base-64" and names in quotes occur.
_BY_LETTERS = {
    _NOT_LETTERS.sub("", name): name for name in (*sorted(_AS_IT_IS), *sorted(_UU), "quoted-printable", "base64")
}
_UU_BEGIN = re.compile(rb"^begin [^\r\n]*", re.MULTILINE)
#: Not empty: of millions of empty lines none is looked at by itself.
_LINE = re.compile(rb"[^\r\n]+")
#: Longer names are no encoding's.
_NAME_CHARS = 40
#: Lines of uuencode that may be damaged, before it is no uuencode.
_UU_DAMAGED = 10_000
#: Blanks at the end of a line, and an end of line before a bare carriage return.
_PADDED = (b" \n", b"\t\n", b" \r\n", b"\t\r\n")
#: Bytes whose lines are split at a time: a line of one blank takes 20 times its size as an object.
_SPLIT_BYTES = 1 << 20
#: How a message or a list of parts begins, and how base64 never does.
_PLAINLY_MAIL = re.compile(rb"\s*(?:[!-9;-~]{1,76}:[ \t]|--\S)")


def decode(data: bytes, encoding: str, defects: Defects) -> bytes:
    """The decoded content; of an unknown encoding, the bytes as they are."""
    encoding = encoding.strip().lower() if encoding else ""
    if encoding in _AS_IT_IS:
        return data
    if encoding == "quoted-printable":
        return quoted_printable(data)
    if encoding == "base64":
        content, exact = base64(data)
        if not exact:
            defects.add("bad-base64")
        return content
    if encoding in _UU:
        return _uuencoded(data, defects)
    word = encoding.partition(";")[0].partition("(")[0].split(maxsplit=1)
    if word and word[0] != encoding:  # "base64 (comment)", "7bit; charset=..."
        return decode(data, word[0], defects)
    meant = _BY_LETTERS.get(_NOT_LETTERS.sub("", encoding[:_NAME_CHARS]))
    if meant is not None:
        return decode(data, meant, defects)
    defects.add("unknown-encoding:" + _NOT_IN_CODES.sub("", encoding)[:32])
    return data


def is_encoded(encoding: str) -> bool:
    """Whether an encoding changes the bytes. Of messages and multiparts it must not, and it occurs."""
    return encoding.strip().lower() not in _AS_IT_IS


def base64(data: bytes) -> tuple[bytes, bool]:
    """The decoded bytes, and whether the input was free of damage. Damaged input yields what it still holds."""
    packed = data.translate(None, _WHITE)
    try:
        return pybase64.b64decode(packed, validate=True), True
    except (binascii.Error, ValueError):
        padding = packed.find(b"=")
    if data.count(b" ") * 20 > len(data) or _PLAINLY_MAIL.match(data):  # never encoded, only declared so
        return data, False
    before_padding = packed[: max(padding, 0)].translate(None, _NOT_ALPHABET)
    if len(before_padding) % 4 in (2, 3):  # what follows the padding is text that somebody appended
        packed = before_padding
    packed = packed.translate(None, _NOT_ALPHABET)
    if len(packed) % 4 == 1:
        packed = packed[:-1]
    return pybase64.b64decode(packed + b"=" * (-len(packed) % 4)), False


def quoted_printable(data: bytes) -> bytes:
    """The decoded bytes: blanks at the ends of lines are gone, as transport adds them (RFC 2045, 6.7, rule 3)."""
    if any(padded in data for padded in _PADDED):
        data = b"".join(_without_padding(data))
    elif data.endswith((b" ", b"\t")):
        data = data.rstrip(b" \t")
    if b"=\r" in data:  # the library takes all that follows up to a line feed for the rest of the line
        data = data.replace(b"=\r\n", b"=\n").replace(b"=\r", b"=\n")
    return binascii.a2b_qp(data)


def _without_padding(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _SPLIT_BYTES) + 1 or len(data)
        yield b"\n".join(map(_unpadded, data[start:end].split(b"\n")))
        start = end


def _unpadded(line: bytes) -> bytes:
    if line.endswith(b"\r"):
        return line[:-1].rstrip(b" \t") + b"\r"
    return line.rstrip(b" \t")


def _uuencoded(data: bytes, defects: Defects) -> bytes:
    """What lies between "begin" and "end". Of one buffer, which never outgrows the input by more than a line."""
    begin = _UU_BEGIN.search(data)
    if not begin:
        defects.add("bad-uuencode")
    content, damaged = bytearray(), 0
    for found in _LINE.finditer(data, begin.end() if begin else 0):
        line = found[0]
        if line.strip() in (b"end", b"`"):
            break
        decoded = _uu_line(line)
        if decoded is None:
            damaged += 1
            defects.add("bad-uuencode")
        else:
            content += decoded
        if damaged > _UU_DAMAGED or len(content) > len(data):  # lines that say more than they hold
            defects.add("bad-uuencode")
            break
    return bytes(content)


def _uu_line(line: bytes) -> bytes | None:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # Some encoders pad a line beyond its length, others strip its trailing blanks.
        wanted = ((line[0] - 32) & 63) * 4 // 3 + 2
    try:
        return binascii.a2b_uu(line[: wanted + 1])
    except binascii.Error:
        return None

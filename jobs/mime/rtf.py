"""Rich text in TNEF, as Outlook sends it: decompression (MS-OXRTFCP), and the visible text.

Never raises. Both are one pass over the input, with bounded output.
"""

import re
import struct

from jobs.mime import charset
from jobs.mime.defects import Defects

_HEADER = struct.Struct("<IIII")  # bytes that follow, bytes decompressed, kind, checksum
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D

_WINDOW = 4096
_KNOWN = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier"
    b"{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)

#: A control word with its number, an escaped byte, another control, a brace, or text.
_TOKEN = re.compile(rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)")
_WRITTEN = {b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"tab": "\t", b"cell": " "} | {
    b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"bullet": "•"
}  # fmt: skip
_ESCAPED = {b"~": "\u00a0", b"_": "-", b"{": "{", b"}": "}", b"\\": "\\", b"\n": "\n", b"\r": "\n"}
#: Groups that hold no words of the text.
_UNSEEN = frozenset({b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"themedata", b"listtable"})
_LEVELS = 1000


def decompress(data: bytes, limit_bytes: int, defects: Defects) -> bytes:
    """The RTF of a compressed body, at most `limit_bytes`; what lies before damage, with the defect bad-rtf."""
    if len(data) < _HEADER.size:
        defects.add("bad-rtf")
        return b""
    _, size, kind, _ = _HEADER.unpack_from(data)
    if size > limit_bytes:
        defects.add("text-cut")
        size = limit_bytes
    if kind == _PLAIN:
        return data[_HEADER.size : _HEADER.size + size]
    if kind != _COMPRESSED:
        defects.add("bad-rtf")
        return b""
    found = _expand(data, size)
    if len(found) < size:
        defects.add("bad-rtf")
    return bytes(found[:size])


def _expand(data: bytes, size: int) -> bytearray:
    window = bytearray(_KNOWN.ljust(_WINDOW, b"\0"))
    write, found, position = len(_KNOWN), bytearray(), _HEADER.size
    while position < len(data) and len(found) < size:
        flags = data[position]
        position += 1
        for bit in range(8):
            if flags >> bit & 1:
                if position + 2 > len(data):
                    return found
                offset, length = data[position] << 4 | data[position + 1] >> 4, (data[position + 1] & 15) + 2
                position += 2
                if offset == write:  # the end
                    return found
                for step in range(length):
                    byte = window[(offset + step) % _WINDOW]
                    window[write] = byte
                    write = (write + 1) % _WINDOW
                    found.append(byte)
            elif position < len(data):
                window[write] = data[position]
                write = (write + 1) % _WINDOW
                found.append(data[position])
                position += 1
    return found


def text(data: bytes, defects: Defects) -> str:
    """The words of RTF. Of HTML that was wrapped into RTF, the words of the RTF, which are the same."""
    if data[:5] != b"{\\rtf":
        if data:
            defects.add("bad-rtf")
        return ""
    return _Words(defects).of(data.rstrip(b"\0"))  # Outlook ends it as a C string


class _Words:
    """Walks the tokens. Each level of braces has its own state: whether it is seen, and how many bytes follow `\\u`."""

    def __init__(self, defects: Defects) -> None:
        self._defects = defects
        self._code_page = "cp1252"
        self._pieces: list[str] = []
        self._bytes = bytearray()  # of the code page, not decoded yet: a character may be two of them
        self._stack: list[tuple[bool, int]] = []
        self._seen, self._fallback = True, 1
        self._skip = 0  # bytes left that repeat a `\\u` for readers who do not know it

    def of(self, data: bytes) -> str:
        for match in _TOKEN.finditer(data):
            word, number, escaped, other, brace, plain = match.groups()
            if plain is not None:
                self._put(plain)
            elif word is not None:
                self._word(word, int(number) if number else None)
            elif escaped is not None:
                self._put(bytes([int(escaped, 16)]))
            elif brace == b"{":
                self._open()
            elif brace == b"}":
                if self._stack:
                    self._seen, self._fallback = self._stack.pop()
            elif other == b"*":
                self._seen = False
            elif self._seen and other in _ESCAPED:
                self._write(_ESCAPED[other])
        self._flush()
        joined = "".join(self._pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return charset.clean(joined, self._defects)

    def _open(self) -> None:
        if len(self._stack) < _LEVELS:
            self._stack.append((self._seen, self._fallback))
        else:
            self._defects.add("bad-rtf")

    def _word(self, word: bytes, number: int | None) -> None:
        if word == b"ansicpg" and number is not None:
            self._code_page = f"cp{number}" if number != 65001 else "utf-8"
        elif word == b"uc" and number is not None:
            self._fallback = max(0, min(number, 16))
        elif word in _UNSEEN:
            self._seen = False
        elif word == b"htmlrtf":  # RTF that only imitates the HTML around it
            self._seen = number == 0
        elif self._seen and word == b"u" and number is not None:
            self._write(chr(number & 0xFFFF))
            self._skip = self._fallback
        elif self._seen and word in _WRITTEN:
            self._write(_WRITTEN[word])

    def _put(self, data: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._seen:
            self._bytes += data

    def _write(self, characters: str) -> None:
        self._flush()
        self._pieces.append(characters)

    def _flush(self) -> None:
        if self._bytes:
            self._pieces.append(charset.decode(bytes(self._bytes), self._code_page, self._defects))
            self._bytes.clear()

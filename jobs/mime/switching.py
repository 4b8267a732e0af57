"""Charsets of East Asia that Python's codecs give up too early: one damaged character costs one character.

ISO-2022-JP, -KR and -CN and HZ write two bytes of seven bits a character between marks; EUC-JP writes them with the
eighth bit set. Python's codecs know neither row 13 of JIS X 0208 as everybody writes it (NEC's, with the circled
numbers) nor half-width kana in ISO-2022-JP, and what follows damage they take for other characters.
Sources: RFC 1468, 1554, 1557, 1843, 1922; WHATWG Encoding, "iso-2022-jp" and "euc-jp" (its JIS X 0208 is that of
code page 932). All of it is one pass over the bytes.
"""

import re
from functools import cache, lru_cache

#: What stands in place of a character that is damaged.
DAMAGED = "\ufffd"

_ESCAPES = re.compile(rb"\x1b(\([BJIH@]|\$[@BA]|\$\([@BCDOPQ]|\$\)[ACEG]|\.[AF]|\$\*H|N|O)|([\x0e\x0f])|\x1b")
_JAPANESE = re.compile(rb"\x1b(?:\$[@B]|\$\([@BDOPQ]|\(I)")
_KOREAN = re.compile(rb"\x1b\$\)C")
_CHINESE = re.compile(rb"\x1b\$\)[AG]")
_EUC = re.compile(
    rb"(?P<ascii>[\x00-\x7f]+)|(?P<pairs>(?:[\xa1-\xfe]{2})+(?:[\xa1-\xfe](?=[\x00-\x7f]|\Z))?)|(?P<kana>(?:\x8e[\xa1-\xdf])+)"
    rb"|\x8f(?P<more>[\xa1-\xfe]{2})|(?P<cut>[\x80-\xff][\x80-\x8d\x90-\xff]?)"
)
_HZ = re.compile(rb"~(?:(\{)|(\})|(~)|\r?\n)")
_EIGHT_BIT_KANA = {byte: chr(byte + 0xFEC0) if 0xA1 <= byte <= 0xDF else DAMAGED for byte in range(128, 256)}
_ROWS = bytes(byte | 0x80 for byte in range(256))


def detected(data: bytes) -> str:
    """The codec of bytes that switch between charsets by escape sequences, "" when they do not."""
    if _JAPANESE.search(data):
        return "iso2022_jp"
    if b"\x0e" in data:
        if _KOREAN.search(data):
            return "iso2022_kr"
        if _CHINESE.search(data):
            return "iso2022_cn"
    return ""


def decode(data: bytes, codec: str) -> str | None:
    """The text of one of these charsets, damage as U+FFFD; None for a codec that is none of them."""
    if codec == "euc_jp":
        return _euc_jp(data)
    if codec == "hz":
        return _hz(data)
    if codec in ("iso2022_jp", "iso2022_kr", "iso2022_cn"):
        return _iso_2022(data, codec)
    return None


def _iso_2022(data: bytes, codec: str) -> str:
    """Text with marks that say which charset the bytes after them are of; at the end of a line it is ASCII again."""
    shifted = "$C" if codec == "iso2022_kr" else "$A"
    pieces: list[str] = []
    mode, before_shift, at = "", "", 0
    for mark in _ESCAPES.finditer(data):
        piece, mode = _run(data[at : mark.start()], mode, codec)
        pieces.append(piece)
        at = mark.end()
        if mark[2]:  # shift out to the designated charset, shift in to what was before
            mode, before_shift = (_shifted_to(shifted, codec), mode) if mark[2] == b"\x0e" else (before_shift, "")
        elif mark[1] is None:
            pieces.append(DAMAGED)
        elif mark[1][:2] == b"$)":
            shifted = "$" + chr(mark[1][2])
        elif mark[1][:1] in b"$(":
            mode = _mode_of(mark[1])
    pieces.append(_run(data[at:], mode, codec)[0])
    return "".join(pieces)


def _shifted_to(designated: str, codec: str) -> str:
    return "(I" if codec == "iso2022_jp" else designated


def _mode_of(escape: bytes) -> str:
    if escape in (b"(B", b"(H", b"(@"):
        return ""
    mode = escape.decode("ascii").replace("$(", "$")
    return "$B" if mode == "$@" else mode


def _run(data: bytes, mode: str, codec: str) -> tuple[str, str]:
    """The text of bytes without marks, and the mode after them."""
    if not data:
        return "", mode
    if mode == "":
        return _single(data, codec), mode
    if mode == "(J":
        return _single(data, codec).translate({0x5C: "¥", 0x7E: "‾"}), mode
    if b"\n" in data:  # the mark that ends the line is missing
        line, _, rest = data.partition(b"\n")
        return _two_bytes(line, mode) + "\n" + _single(rest, codec), ""
    return _two_bytes(data, mode), mode


def _single(data: bytes, codec: str) -> str:
    if data.isascii():
        return data.decode("ascii")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        if codec != "iso2022_jp":
            return data.decode("ascii", "replace")
    # Half-width kana of eight bits, as old Japanese mailers wrote them.
    return data.decode("latin-1").translate(_EIGHT_BIT_KANA)


def _two_bytes(data: bytes, mode: str) -> str:
    if mode == "(I":
        return "".join(
            chr((byte & 0x7F) + 0xFF40) if 0x21 <= byte & 0x7F <= 0x5F else chr(byte) if byte < 0x21 else DAMAGED
            for byte in data
        )
    pieces: list[str] = []
    at, size = 0, len(data)
    while at < size:
        first = data[at]
        if not 0x21 <= first <= 0x7E:
            pieces.append(chr(first) if first <= 0x20 else DAMAGED)
            at += 2 if first > 0x20 and at + 1 < size and data[at + 1] > 0x20 else 1
        elif at + 1 < size and 0x21 <= data[at + 1] <= 0x7E:
            pieces.append(_pair(mode, data[at : at + 2]))
            at += 2
        else:
            pieces.append(DAMAGED)
            at += 2 if at + 1 < size and data[at + 1] >= 0x7F else 1
    return "".join(pieces)


@lru_cache(maxsize=32_768)
def _pair(mode: str, pair: bytes) -> str:
    """One character of two bytes of seven bits. Of these there are 8,836 in each charset."""
    high = pair.translate(_ROWS)
    if mode == "$B":
        return _japanese(high)
    if mode == "$D":
        return _decoded(b"\x8f" + high, "euc_jp")
    if mode in ("$O", "$Q"):
        return _decoded(high, "euc_jis_2004")
    if mode == "$P":
        return _decoded(b"\x8f" + high, "euc_jis_2004")
    if mode == "$C":
        return _decoded(high, "cp949")
    if mode == "$A":
        return _decoded(high, "gb18030")
    return DAMAGED


def _japanese(high: bytes) -> str:
    """A character of JIS X 0208 as code page 932 has it: with row 13, and what IBM and NEC added."""
    row, cell = high[0] - 0xA1, high[1] - 0xA1
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
    return _decoded(bytes((lead, trail)), "cp932")


def _decoded(data: bytes, codec: str) -> str:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return DAMAGED
    return text if len(text) == 1 or codec == "euc_jis_2004" else DAMAGED


@cache
def _euc_table() -> dict[int, str]:
    """Every pair of EUC-JP; built in 10 ms, on first use."""
    rows = range(0xA1, 0xFF)
    return {row << 8 | cell: _japanese(bytes((row, cell))) for row in rows for cell in rows}


def _euc_jp(data: bytes) -> str:
    table = _euc_table()
    pieces: list[str] = []
    for found in _EUC.finditer(data):
        kind, run = found.lastgroup, found[0]
        if kind == "ascii":
            pieces.append(run.decode("ascii"))
        elif kind == "pairs":
            lost = len(run) % 2 == 1 and _lost_first(run)
            pairs = run[lost : len(run) - (len(run) - lost) % 2]
            text = "".join([table[first << 8 | second] for first, second in zip(pairs[::2], pairs[1::2], strict=True)])
            pieces.append(text if len(run) % 2 == 0 else DAMAGED + text if lost else text + DAMAGED)
        elif kind == "kana":
            pieces.append("".join([chr(byte + 0xFEC0) for byte in run[1::2]]))
        elif kind == "more":
            pieces.append(_decoded(b"\x8f" + found["more"], "euc_jp"))
        else:
            pieces.append(DAMAGED)
    return "".join(pieces)


def _lost_first(run: bytes) -> bool:
    """Whether a run of an odd number of bytes lacks one before it, and not after: kana show which bytes come first."""
    even, odd = run[::2], run[1::2]
    return sum(map(odd.count, (0xA4, 0xA5))) > sum(map(even.count, (0xA4, 0xA5)))


def _hz(data: bytes) -> str:
    pieces: list[str] = []
    mode, at = "", 0
    for mark in _HZ.finditer(data):
        piece, mode = _run(data[at : mark.start()], mode, "hz")
        pieces.append(piece)
        at = mark.end()
        if mark[1]:
            mode = "$A"
        elif mark[2]:
            mode = ""
        elif mark[3]:
            pieces.append("~")
    pieces.append(_run(data[at:], mode, "hz")[0])
    return "".join(pieces)

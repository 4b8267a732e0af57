"""Bytes of a declared, wrongly declared or undeclared charset, as text that every store accepts."""

import codecs
import re
from functools import lru_cache

from jobs.mime.defects import Defects

#: What mailers declare, and the superset that they really write.
_ALIASES = {
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "x-windows-1252": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "tis-620": "cp874",
    "big5": "big5hkscs",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "unicode-1-1-utf-7": "utf-7",
    "utf8": "utf-8",
}

#: Declared ASCII says nothing about the bytes above 127: they are guessed, like those without a declaration.
_UNDECLARED = frozenset(
    {"", "us-ascii", "ascii", "ansi_x3.4-1968", "7bit", "8bit", "binary", "unknown-8bit", "x-unknown", "default"}
)

#: Codecs of Python that are no charset of mail; some take quadratic time, some yield surrogates.
_FORBIDDEN = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})

_NOT_IN_CODES = re.compile(r"[^a-z0-9._-]")


@lru_cache(maxsize=512)
def codec(charset: str) -> str | None:
    """Python's codec for a charset as declared: "" when it tells nothing, None when it is not known."""
    name = charset.strip().strip("\"'").lower()
    if name in _UNDECLARED:
        return ""
    try:
        found = codecs.lookup(_ALIASES.get(name, name))
        "".encode(found.name)  # refuses codecs from bytes to bytes
    except (LookupError, ValueError, UnicodeError):
        return None
    if found.name.replace("_", "-") in _FORBIDDEN:
        return None
    return found.name


def decode(data: bytes, charset: str, defects: Defects) -> str:
    """The text of `data`: by the declared charset, else UTF-8, else Windows-1252. Never raises."""
    name = codec(charset)
    if name is None:
        defects.add("unknown-charset:" + _NOT_IN_CODES.sub("", charset.lower())[:32])
        name = ""
    if data.isascii() and name in ("", "utf-8", "cp1252"):
        return clean(data.decode("ascii"), defects)
    return clean(_guess(data, name, defects), defects)


def decode_header(data: bytes, likely: str = "") -> str:
    """The text of raw 8-bit bytes in a header, which declares no charset: as UTF-8, else as the likely charset."""
    for name in ("utf-8", _of_headers(likely)):
        try:
            return data.decode(name)
        except (UnicodeError, ValueError):
            continue
    return data.decode("cp1252", "replace")


@lru_cache(maxsize=512)
def _of_headers(likely: str) -> str:
    name = codec(likely) or "cp1252"
    # Of UTF-16 and the like a header is never written: its name and its line end are ASCII.
    return name if "a: b".encode(name, "replace") == b"a: b" else "cp1252"


def clean(text: str, defects: Defects) -> str:
    """`text` with U+FFFD in place of NUL and of surrogates."""
    if "\0" in text:
        defects.add("nul")
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Pairs of surrogates (UTF-16 written as if it were UTF-8) are joined, lone ones replaced.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cut(text: str, size_bytes: int) -> str:
    """The longest beginning of `text` of at most `size_bytes` bytes of UTF-8."""
    if len(text) * 4 <= size_bytes:
        return text
    data = text.encode("utf-8")
    return text if len(data) <= size_bytes else data[:size_bytes].decode("utf-8", "ignore")


def _guess(data: bytes, name: str, defects: Defects) -> str:
    if name:
        try:
            return data.decode(name)
        except (UnicodeError, ValueError):
            defects.add("wrong-charset")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        likely = name or "cp1252"
    # One bad byte must not turn a whole Chinese message into Latin letters.
    text = data.decode(likely, "replace")
    if likely != "cp1252" and text.count("\ufffd") * 20 > len(text):
        text = data.decode("cp1252", "replace")
    return text

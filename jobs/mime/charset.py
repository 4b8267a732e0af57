"""Bytes of a declared, wrongly declared or undeclared charset, as text that every store accepts."""

import codecs
import re
from functools import lru_cache

from jobs.mime import switching
from jobs.mime.defects import Defects
from jobs.mime.labels import codec_of

#: Every byte below 128 is its ASCII character: text without others needs no codec.
_LIKE_ASCII = frozenset({"", "utf_8", "cp1252", "cp1250", "cp1251", "cp1254", "iso8859_2", "iso8859_15", "koi8_r"})
#: In these charsets, bytes of ASCII may be other characters.
_SWITCHING = frozenset({"iso2022_jp", "iso2022_kr", "iso2022_cn", "hz"})
#: What those write who declare a charset of seven bits and write eight.
_EIGHT_BITS = {"iso2022_jp": "cp932", "iso2022_kr": "cp949", "iso2022_cn": "gb18030", "hz": "gb18030"}
_OURS = _SWITCHING | {"euc_jp"}
_WIDE = frozenset({"utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be"})
#: Damaged bytes in these charsets do not suggest another charset.
_NEVER_DOUBTED = _SWITCHING | _WIDE | {"cp1252", "utf_7"}
_MARKS = (
    (b"\xef\xbb\xbf", "utf_8"),
    (b"\xff\xfe\x00\x00", "utf_32_le"),
    (b"\x00\x00\xfe\xff", "utf_32_be"),
    (b"\xff\xfe", "utf_16_le"),
    (b"\xfe\xff", "utf_16_be"),
)

_NOT_IN_CODES = re.compile(r"[^a-z0-9._-]")
#: The name of `_one_for_one` as an error handler of Python's codecs.
_REPLACE = "mail-one-for-one"


@lru_cache(maxsize=512)
def codec(charset: str) -> str | None:
    """Python's codec for a declared charset; "" if the declaration is meaningless, None if the charset is unknown."""
    return codec_of(charset)


def decode(data: bytes, charset: str, defects: Defects) -> str:
    """The text of `data`: by its byte order mark or declared charset, else UTF-8, else Windows-1252. Never raises."""
    name = codec(charset)
    if name is None:
        defects.add("unknown-charset:" + _NOT_IN_CODES.sub("", charset.lower())[:32])
        name = ""
    if name in _LIKE_ASCII and data.isascii() and b"\x1b" not in data and b"\0" not in data:
        return data.decode("ascii")
    return clean(_decoded(data, name, defects), defects)


def decode_header(data: bytes, likely: str = "") -> str:
    """The text of raw bytes in a header, which declares no charset: ISO-2022, UTF-8, else the likely charset."""
    switches = switching.detected(data) if b"\x1b" in data else ""
    if switches:
        return switching.decode(data, switches) or ""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _mostly_utf_8(data) or _as(data, _of_headers(likely))


@lru_cache(maxsize=512)
def _of_headers(likely: str) -> str:
    name = codec(likely) or "cp1252"
    if name in ("iso2022_jp", "euc_jp"):
        return "cp932" if name == "iso2022_jp" else name
    # A header is never UTF-16 or similar: its name and line end are ASCII.
    return "cp1252" if name in _WIDE | _SWITCHING | {"utf_7"} else name


def with_mark(data: bytes) -> tuple[str, int]:
    """The codec that a byte order mark names and how many bytes it has; ("", 0) without one."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, len(mark)
    return "", 0


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


def _decoded(data: bytes, name: str, defects: Defects) -> str:
    marked, size = with_mark(data)
    if marked and (marked != "utf_8" or name in ("", "utf_8") or _is_utf_8(data)):
        return _as(data[size:], marked)
    if name in _WIDE:
        return _wide(data, name, defects)
    if name in ("", "utf_8", "cp1252") and (found := _undeclared(data)):
        if name:
            defects.add("wrong-charset")
        return found
    if name in _SWITCHING and not data.isascii() and b"\x1b" not in data and b"~{" not in data:
        defects.add("wrong-charset")
        return _strict(data, "utf_8") or _strict(data, _EIGHT_BITS[name]) or _as(data, "cp1252")
    return _guess(data, name, defects)


def _undeclared(data: bytes) -> str:
    """The text of bytes that show by themselves that they are of no charset like ASCII; "" when they do not."""
    if b"\x1b" in data and (switches := switching.detected(data)):
        return switching.decode(data, switches) or ""
    if b"\0" in data and (wide := _zeros(data)):
        return _as(data, wide)
    return ""


def _zeros(data: bytes) -> str:
    """UTF-16 by its zero bytes, which stand at every second place of Latin text; "" when they do not."""
    size = len(data) // 2
    even, odd = data[::2].count(0), data[1::2].count(0)
    if size >= 4 and max(even, odd) * 10 >= size * 7 and min(even, odd) * 20 <= size:
        return "utf_16_be" if even > odd else "utf_16_le"
    return ""


def _wide(data: bytes, name: str, defects: Defects) -> str:
    """UTF-16 and UTF-32 without a mark. Where they are declared of text that has no zero and is ASCII, it is ASCII."""
    if data.isascii() and b"\0" not in data:
        defects.add("wrong-charset")
        return data.decode("ascii")
    if name.startswith("utf_16"):
        name = _zeros(data) or ("utf_16_le" if name == "utf_16" else name)
        if len(data) % 2 and data.endswith((b"\n", b"\0")):
            data = data[:-1]
    return _as(data, "utf_32_be" if name == "utf_32" else name)


def _is_utf_8(data: bytes) -> bool:
    return _strict(data, "utf_8") is not None


def _strict(data: bytes, name: str) -> str | None:
    """The text of bytes that are wholly of a charset, else None."""
    text = switching.decode(data, name)
    if text is None:
        try:
            text = data.decode(name)
        except (UnicodeError, ValueError):
            return None
    if name == "cp932" and _NOT_IN_932.search(text):
        return None
    return None if switching.DAMAGED in text and name in _OURS else text


def _guess(data: bytes, name: str, defects: Defects) -> str:
    if name:
        text = _strict(data, name)
        if text is not None:
            return text
        defects.add("wrong-charset")
    if name not in _SWITCHING and name != "utf_7":
        text = _strict(data, "utf_8")
        if text is not None:
            return text
    if not name and (text := _mostly_utf_8(data)):
        return text
    return _as(data, name or "cp1252")


def _mostly_utf_8(data: bytes) -> str:
    """The text of slightly damaged UTF-8, for example truncated; "" when it is more."""
    text = data.decode("utf-8", "replace")
    damaged = text.count(switching.DAMAGED)
    good = sum(1 for char in text[:100_000] if char >= "\x80") - damaged
    return text if good >= 4 * damaged else ""


def _as(data: bytes, name: str) -> str:
    """Damaged text of a charset: one bad byte must not turn a whole Chinese message into Latin letters."""
    text = switching.decode(data, name)
    if text is None:
        text = data.decode(name, _REPLACE if name in _PAIRS else "replace")
    if name == "cp932":
        text = _NOT_IN_932.sub(switching.DAMAGED, text)
    damaged = text.count(switching.DAMAGED)
    if damaged and name not in _NEVER_DOUBTED and not _is_credible(text, damaged):
        return data.decode("cp1252", "replace")
    return text


def _is_credible(text: str, damaged: int) -> bool:
    """Whether so few characters are damaged that the charset is the right one."""
    if damaged * 20 <= len(text):
        return True
    good = len(text) - damaged - sum(map(str.isascii, text[:10_000]))
    return good >= damaged if damaged == 1 else good >= 4 * damaged


#: What Python makes of bytes that code page 932 does not have.
_NOT_IN_932 = re.compile("[\uf8f0-\uf8f3]")
#: Codecs of one or two bytes a character.
_PAIRS = frozenset({"gb18030", "big5hkscs", "cp932", "shift_jis_2004", "cp949", "johab"})


def _one_for_one(error: UnicodeError) -> tuple[str, int]:
    """U+FFFD for a damaged character of two bytes, whichever of them is damaged: what follows stays in step."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    data, at = error.object, error.start
    if at + 1 < len(data) and data[at + 1] >= 0x80:
        if error.encoding.startswith("big5") and (found := _big5(bytes(data[at : at + 2]))):
            return found, at + 2
        return switching.DAMAGED, at + 2
    return switching.DAMAGED, at + 1


def _big5(pair: bytes) -> str:
    """What Windows added to Big5."""
    try:
        return pair.decode("cp950")
    except UnicodeDecodeError:
        return ""


codecs.register_error(_REPLACE, _one_for_one)

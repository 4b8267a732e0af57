"""Header blocks: split, unfolded, decoded.

A block is decoded as Latin-1, which preserves every byte; `text` converts a value to readable text. Most blocks are
plain ASCII without encoded words, which is checked once for the whole block. Parameters and addresses are split before
their encoded words are decoded, because encoded words may contain commas and quotes.
"""

import binascii
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from jobs.mime import charset, transfer
from jobs.mime.defects import Defects
from jobs.mime.message import MimeLimits

#: Characters read of a header with parameters: keeps the patterns below cheap on hostile input.
_PARAMETERS_CHARS = 8 * 1024

_END = re.compile(rb"\n\r*\n")
_EMPTY = re.compile(rb"\r*\n")
#: A field of a block that is unfolded already.
_FIELD = re.compile(r"^([!-9;-~]+) *: *(.*)", re.MULTILINE)
_FIELD_OR_JUNK = re.compile(r"^(?:([!-9;-~]+)[ \t]*:[ \t]*(.*(?:\n[ \t].*)*)|(.*[^\s].*))", re.MULTILINE)
_PLAIN = bytes(range(32, 127)) + b"\r\n\t"
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f]+")
_WORD = re.compile(r"=\?([^?\s=]{1,64})\?([bBqQ])\?")
#: Maximum length of an encoded word, in characters.
_WORD_CHARS = 2_000
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_OUTSIDE = re.compile(r'"(?:[^"\\]|\\.)*"|[;(]', re.DOTALL)
_IS_NAME = re.compile(r"\s*(?:file)?name(?:\*\d{0,3}\*?)?\s*=", re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))', re.DOTALL)
_SECTION = re.compile(r"^([^*]+)\*(?:(\d{1,3})(\*?))?$")
_QUOTED_PAIR = re.compile(r'\\(["\\])')
_PATH_OR_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

#: A block whose first line is no field is still a header block when it has one of these.
_USUAL = frozenset({"received", "from", "to", "subject", "date", "message-id", "content-type", "return-path"})


class HeaderBlock:
    """The fields of a block in order, unfolded and undecoded, and the offset where the body begins."""

    __slots__ = ("_decoded", "_first", "body", "fields", "is_plain", "likely")

    def __init__(self, fields: list[tuple[str, str]], body: int, is_plain: bool = False) -> None:
        self.fields = fields
        self.body = body
        #: Whether no value of the block needs decoding.
        self.is_plain = is_plain
        #: The charset that the body declares: raw 8-bit values are most likely of the same.
        self.likely = ""
        # Reversed, so that the first field of a name wins.
        self._first = {name.lower(): value for name, value in reversed(fields)}
        self._decoded = self._first if is_plain else None

    def first(self, name: str) -> str:
        """The undecoded value of the first field of this (lower case) name, or ""."""
        return self._first.get(name, "")

    def text(self, name: str, defects: Defects) -> str:
        """The first value of this name as people read it, or ""."""
        if self._decoded is not None:
            return self._decoded.get(name, "")
        value = self._first.get(name, "")
        return text(value, defects, self.likely) if value else ""

    def texts(self, limit_chars: int, defects: Defects) -> list[tuple[str, str]]:
        """All fields as people read them. A value is cut to `limit_chars` characters, before and after."""
        if self.is_plain:
            return self.fields
        found = [
            (name, value)
            if value.isascii() and "=?" not in value and value.isprintable()
            else (name, text(value[:limit_chars], defects, self.likely)[:limit_chars])
            for name, value in self.fields
        ]
        self._decoded = {name.lower(): value for name, value in reversed(found)}
        return found


def split(raw: bytes, start: int, end: int, limits: MimeLimits, defects: Defects) -> HeaderBlock:
    """The header block at `start` of `raw[start:end]`; of its bytes at most `limits.header_bytes` are read."""
    empty = _EMPTY.match(raw, start, end)
    if empty:
        return HeaderBlock([], empty.end(), True)
    blank = _END.search(raw, start, end)
    stop, body = blank.span() if blank else (end, end)
    if stop - start > limits.header_bytes:
        defects.add("headers-cut")
        stop = start + limits.header_bytes
    data = raw[start:stop]
    head = data.decode("latin-1")
    if head.startswith(("From ", ">From ")):  # the separator of an mbox file
        line_end = head.find("\n") + 1 or len(head)
        head, start = head[line_end:], start + line_end
    unfolded = _unfolded(head)
    fields = _FIELD.findall(unfolded)
    if len(fields) != unfolded.count("\n") + 1:
        fields, body = _split_damaged(head, start, body, defects)
    elif " \n" in unfolded or unfolded.endswith(" "):
        fields = [(name, value.rstrip(" ")) for name, value in fields]
    if len(head) > limits.value_chars:
        fields = _cut(fields, limits.value_chars, defects)
    is_plain = "=?" not in head and data.isascii() and not data.translate(None, _PLAIN)
    return HeaderBlock(fields, body, is_plain)


def _unfolded(head: str) -> str:
    """A block or a value without folding, its blanks as they were but for tabs."""
    if "\r" in head:
        head = head.replace("\r", "")
    if "\t" in head:
        head = head.replace("\t", " ")
    return head.replace("\n ", " ")


def _cut(fields: list[tuple[str, str]], limit_chars: int, defects: Defects) -> list[tuple[str, str]]:
    if any(len(value) > limit_chars for _, value in fields):
        defects.add("header-cut")
    return [(name, value[:limit_chars]) for name, value in fields]


def text(value: str, defects: Defects, likely: str = "") -> str:
    """An undecoded header value as people read it: unfolded, 8-bit bytes and encoded words decoded.

    Args:
        likely: the charset of 8-bit bytes that are not UTF-8, "" when nothing tells.
    """
    if "\x1b" in value or not value.isascii():
        defects.add("header-8bit")
        value = as_text(unfold(value), likely)
    elif not value.isprintable():  # folded, most often
        value = unfold(value)
        if "=?" not in value and value.isprintable():
            return value
    elif "=?" not in value:
        return value.strip()
    return readable(value, defects)


def as_text(value: str, likely: str = "") -> str:
    """An undecoded value with its raw 8-bit bytes, and those of ISO-2022, read."""
    return charset.decode_header(value.encode("latin-1", "replace"), likely)


def readable(value: str, defects: Defects) -> str:
    """Unfolded text with its encoded words decoded, without control characters."""
    if "=?" in value and "?=" in value:
        value = _decode_words(value, defects)
    if not value.isprintable():
        value = _CONTROL.sub(" ", value)
        value = charset.clean(value, defects)
    return value.strip()


def unfold(value: str) -> str:
    """An undecoded value on one line, 8-bit bytes still as Latin-1: of these, "\\x85" and "\\xa0" are no blanks."""
    if not value.isprintable():
        value = value.replace("\n", "").replace("\r", "").replace("\t", " ")
    return value.strip(" ")


@lru_cache(maxsize=1024)
def parameters(value: str, likely: str = "") -> tuple[str, Mapping[str, str]]:
    """The main word (lower case) and the parameters of a Content-Type or Content-Disposition value.

    Names are lower case. A parameter of RFC 2231 is decoded and named with a star at its end ("filename*"), and without
    it where no other parameter has the name ("charset"). Comments are left out, but not of names of files:
    "name=report (1).pdf" is what mailers write.
    """
    value = unfold(value[:_PARAMETERS_CHARS])
    if not value.isascii() or "\x1b" in value:
        value = as_text(value, likely)
    if "(" in value:
        value = without_comments(value)
    main, semicolon, _ = value.partition(";")
    found: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    if semicolon:
        for name, quoted, bare in _PARAMETER.findall(value):
            content = _QUOTED_PAIR.sub(r"\1", quoted) if quoted else bare.strip().strip('"')
            section = _SECTION.match(name) if "*" in name else None
            if section:
                number, starred = section[2], section[2] is None or bool(section[3])
                sections.setdefault(section[1].lower(), []).append((int(number or 0), starred, content))
            else:
                found.setdefault(name.lower(), content)
    for name, pieces in sections.items():
        joined = found[name + "*"] = _join_sections(sorted(pieces, key=lambda piece: piece[0]), likely)
        found.setdefault(name, joined)
    if " " in main and "/" in main:
        main = "/".join(part.strip() for part in main.split("/"))
    return main.strip().lower(), found


def without_comments(value: str) -> str:
    """A value of a MIME field without its comments (RFC 822, 3.1.4), those in names of files apart."""
    pieces: list[str] = []
    kept, segment, at = 0, 0, 0
    while mark := _OUTSIDE.search(value, at):
        at = mark.end()
        if mark[0] == ";":
            segment = at
        elif mark[0] == "(" and not _IS_NAME.match(value, segment):
            end = end_of_comment(value, mark.start())
            if not end:
                break
            pieces += [value[kept : mark.start()], " "]
            kept = at = end
    pieces.append(value[kept:])
    return "".join(pieces).strip()


def end_of_comment(value: str, start: int) -> int:
    """Where the comment that begins at `start` ends; 0 when it does not."""
    depth = 0
    for mark in _IN_COMMENT.finditer(value, start):
        if mark[0] == "(":
            depth += 1
        elif mark[0] == ")":
            depth -= 1
            if depth == 0:
                return mark.end()
    return 0


def filename(
    disposition: Mapping[str, str], content_type: Mapping[str, str], limit_bytes: int, defects: Defects
) -> str:
    """A part's declared file name without path separators and control characters, or ""."""
    for given, name in ((disposition, "filename"), (content_type, "name")):
        value = readable(given.get(name + "*", "") or given.get(name, ""), defects)
        if value:
            name = _PATH_OR_CONTROL.sub("_", charset.clean(value, defects).strip(" /\\\t\r\n")).strip()
            kept = charset.cut(name, limit_bytes)
            if kept != name:
                defects.add("filename-cut")
            return kept
    return ""


def _split_damaged(head: str, start: int, body: int, defects: Defects) -> tuple[list[tuple[str, str]], int]:
    """A block with lines that are no fields: they are skipped, but after the last field the body begins."""
    fields: list[tuple[str, str]] = []
    last_field_end = 0
    first_junk = len(head)
    for match in _FIELD_OR_JUNK.finditer(head):
        if match[3]:
            first_junk = min(first_junk, match.start())
        else:
            fields.append((match[1], _unfolded(match[2]).strip(" ")))
            last_field_end = match.end()
    if first_junk == len(head):  # blank lines only
        return fields, body
    if first_junk == 0 and not any(name.lower() in _USUAL for name, _ in fields):
        return [], start
    defects.add("header-malformed")
    if first_junk >= last_field_end:
        return fields, start + first_junk
    return fields, body


def _decode_words(value: str, defects: Defects) -> str:
    """`value` with its encoded words decoded, neighbours of one charset together: a character may span both."""
    pieces: list[str] = []
    run: list[tuple[str, str]] = []
    run_charset = ""
    last = position = 0
    while match := _WORD.search(value, position):
        end = value.find("?=", match.end(), match.end() + _WORD_CHARS)
        if end < 0:
            position = match.end()
            continue
        declared = match[1].partition("*")[0].lower()
        gap = value[last : match.start()]
        between_words = bool(run) and not gap.strip()
        if run and not (between_words and declared == run_charset):
            pieces.append(charset.decode(_run_bytes(run, defects), run_charset, defects))
            run = []
        if not between_words:
            pieces.append(gap)
        run.append((match[2].lower(), value[match.end() : end]))
        run_charset = declared
        last = position = end + 2
    if run:
        pieces.append(charset.decode(_run_bytes(run, defects), run_charset, defects))
    pieces.append(value[last:])
    return "".join(pieces)


def _run_bytes(run: Sequence[tuple[str, str]], defects: Defects) -> bytes:
    """The bytes of encoded words (encoding, content). Mailers cut base64 anywhere: such words are read as one."""
    decoded: list[bytes] = []
    cut: list[str] = []
    size_chars = 0
    for number, (encoding, content) in enumerate(run):
        if encoding == "q":
            decoded.append(binascii.a2b_qp(content.encode("utf-8", "replace"), header=True))
            continue
        cut.append(content)
        size_chars += len(content)
        goes_on = number + 1 < len(run) and run[number + 1][0] == "b"
        if goes_on and "=" not in content and size_chars % 4:
            continue
        whole, exact = transfer.base64("".join(cut).encode("utf-8", "replace"))
        decoded.append(whole)
        cut, size_chars = [], 0
        if not exact:
            defects.add("bad-encoded-word")
    return b"".join(decoded)


def _join_sections(pieces: list[tuple[int, bool, str]], likely: str) -> str:
    declared = ""
    data: list[bytes] = []
    for index, (_, starred, content) in enumerate(pieces):
        if starred and index == 0 and content.count("'") >= 2:
            declared, _, content = content.split("'", 2)
        encoded = content.encode("utf-8", "replace")
        data.append(unquote_to_bytes(encoded) if starred else encoded)
    joined = b"".join(data)
    return charset.decode(joined, declared, Defects()) if declared else charset.decode_header(joined, likely)

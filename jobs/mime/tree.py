"""The tree of a message's parts: offsets into the bytes, nothing decoded yet.

Lenient and bounded: any bytes result in a tree, and building it takes at most `MimeLimits.depth` passes
over them. A multipart without usable boundaries is a leaf of text, so its words are not lost.

Why not a library: fast-mail-parser's tree (0.10.0, in Rust; headers and contents decoded) costs 15 and 28
microseconds a message of Enron and SpamAssassin, this one (headers split, contents not decoded) 24 and 37 in the same
runs, of 55 and 152 for the whole parse. So it could save a sixth at most; but it reports no defects, loses the order of
headers, breaks words split inside a character and raises on damage (12 of 6,294), so a second parser would stand
behind it and headers would be split twice. The standard library's parser takes the depth times the lines: 5.5 s for 2
MB in 150 levels (0.07 s here), RecursionError at 1,000 levels.
"""

import html
import mimetypes
import re
from collections.abc import Iterator, Mapping

from jobs.mime import charset, headers, prescan, tnef, transfer
from jobs.mime.defects import Defects
from jobs.mime.headers import HeaderBlock
from jobs.mime.message import MimeLimits
from jobs.mime.tnef import TnefAttachment

_LINE_ENDS = (10, 13)

_MESSAGES = frozenset({"message/rfc822", "message/global", "message/news"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
#: Encoded bytes of which what HTML says of its charset is read.
_ENCODED_PRESCAN_BYTES = 16 * 1024
_CONTENT_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")

#: By the ends of file names, and the same on every machine: what the system knows is not asked.
_TYPES_OF_NAMES = mimetypes.MimeTypes()

#: Bytes after a boundary in which its line must end: without a bound, hostile input costs the square of its size.
_DELIMITER_TAIL = 256


class Part:
    """One part. A leaf has content; a multipart and an embedded message have children."""

    __slots__ = (
        "block",
        "children",
        "content_type",
        "end",
        "may_repeat",
        "number",
        "parameters",
        "prefix",
        "raw",
        "start",
    )

    def __init__(self, raw: bytes, block: HeaderBlock, end: int, number: str, prefix: str) -> None:
        self.raw = raw
        self.block = block
        self.start = min(block.body, end)
        self.end = end
        self.number = number  # as IMAP counts
        self.prefix = prefix  # of its children's numbers, when it is a multipart
        self.content_type = "text/plain"
        self.parameters: Mapping[str, str] = {}
        self.children: list[Part] = []
        self.may_repeat = False  # its words may be those of the parts before it

    @property
    def is_message(self) -> bool:
        return self.content_type in _MESSAGES

    @property
    def is_tnef(self) -> bool:
        if self.content_type in _TNEF:
            return True
        return self.content_type == "application/octet-stream" and "winmail.dat" in (
            self.parameters.get("name", "").lower(),
            self.disposition()[1].get("filename", "").lower(),
        )

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    def disposition(self, likely: str = "") -> tuple[str, Mapping[str, str]]:
        """Its Content-Disposition, and the parameters of it; `likely` as of `headers.parameters`."""
        value = self.block.first("content-disposition")
        return headers.parameters(value, "" if value.isascii() else likely) if value else ("", {})

    def parameters_as(self, likely: str) -> Mapping[str, str]:
        """The parameters of its Content-Type, raw bytes in them of a charset that was not known before."""
        value = self.block.first("content-type")
        return self.parameters if not likely or value.isascii() else headers.parameters(value, likely)[1]

    def content_id(self, defects: Defects) -> str:
        """What names it in the markup of the message, without its brackets, or ""."""
        value = self.block.text("content-id", defects)
        opened, bracket, rest = value.partition("<")
        return (rest.partition(">")[0] if bracket else opened).strip("<> ")

    def likely_charset(self) -> str:
        """What the first text declares, down to the leaves: raw bytes in headers are most likely of the same; or ""."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            declared = "" if part.children else part.declared_charset()
            if declared and charset.codec(declared):
                return declared
            waiting.extend(reversed(part.children))
        return ""

    def declared_charset(self) -> str:
        """The charset of its text: as its Content-Type says, of HTML else as it says itself, or ""."""
        declared = self.parameters.get("charset", "")
        if self.content_type != "text/html" or charset.codec(declared):
            return declared
        end = min(self.end, self.start + _ENCODED_PRESCAN_BYTES)
        return prescan.charset_of(transfer.decode(self.raw[self.start : end], self.encoding(), Defects()), declared)

    def content(self, defects: Defects) -> bytes:
        """The decoded bytes; of an embedded message its raw bytes."""
        return transfer.decode(self.raw[self.start : self.end], self.encoding(), defects)

    def declare_charset(self) -> None:
        """Tell the header block of a message what its body declares, for values that declare nothing."""
        if self.block.is_plain:
            return
        self.block.likely = self.likely_charset()

    def encoding(self) -> str:
        value = headers.unfold(self.block.first("content-transfer-encoding"))
        return headers.without_comments(value) if "(" in value else value


class TreeBuilder:
    """Builds the tree of one message."""

    def __init__(self, limits: MimeLimits, defects: Defects) -> None:
        self._limits = limits
        self._defects = defects
        self._parts = 0
        self._tnef_streams = 0

    def build(self, raw: bytes) -> Part:
        return self._part(raw, 0, len(raw), ("1", ""), "text/plain", 0)

    def _part(self, raw: bytes, start: int, end: int, number: tuple[str, str], default_type: str, depth: int) -> Part:
        self._parts += 1
        block = headers.split(raw, start, end, self._limits, self._defects)
        part = Part(raw, block, end, *number)
        part.content_type, part.parameters = self._type(block, default_type)
        self._open(part, depth)
        return part

    def _open(self, part: Part, depth: int) -> None:
        """Add the children of a part that holds parts."""
        if part.is_multipart:
            self._add_parts(part, depth)
        elif part.is_message:
            self._add_message(part, depth)
        elif part.is_tnef:
            self._add_tnef(part, depth)

    def _type(self, block: HeaderBlock, default_type: str) -> tuple[str, Mapping[str, str]]:
        value = block.first("content-type")
        if not value:
            return default_type, {}
        name, parameters = headers.parameters(value)
        kind, slash, subtype = name.partition("/")
        if slash and kind and subtype and name.isascii() and name.isprintable() and " " not in name:
            return name[:127], parameters
        self._defects.add("bad-content-type")
        # "text" and "html" alone occur; everything else unreadable is text, as RFC 2045 asks for.
        return ("text/html" if "html" in name else "text/plain"), parameters

    def _is_full(self, depth: int) -> bool:
        if depth >= self._limits.depth:
            self._defects.add("too-deep")
            return True
        if self._parts >= self._limits.parts:
            self._defects.add("too-many-parts")
            return True
        return False

    def _add_tnef(self, part: Part, depth: int, embedded: bool = False) -> None:
        if self._is_full(depth):
            return
        limits = self._limits
        self._tnef_streams += 1
        if self._tnef_streams > limits.tnef_streams:
            self._defects.add("too-many-parts")
            return
        found = tnef.read(part.content(self._defects), limits.parts - self._parts, limits.text_bytes, self._defects)
        body, kind = found.body, "text/html" if found.is_html else "text/plain"
        if embedded:  # of the outermost one, the message's own headers tell it
            head = f"From: {found.sender}\nSubject: {found.subject}\n\n"
            body = f"<pre>{html.escape(head)}</pre>{body}" if found.is_html else head + body
        if body:
            child = self._made(f"{part.number}.0", kind, body.encode("utf-8"), {"charset": "utf-8"}, [])
            child.may_repeat = True
            part.children.append(child)
        for index, item in enumerate(found.attachments, 1):
            part.children.append(self._tnef_attachment(f"{part.number}.{index}", item, depth + 1))

    def _tnef_attachment(self, number: str, item: TnefAttachment, depth: int) -> Part:
        kind = "application/ms-tnef" if item.is_message else item.content_type
        if not _CONTENT_TYPE.fullmatch(kind) or kind.startswith("multipart/"):
            kind = _TYPES_OF_NAMES.guess_type(item.name, strict=True)[0] or "application/octet-stream"
        fields = [("Content-Disposition", "attachment")]
        if item.content_id:
            fields.append(("Content-ID", item.content_id.encode("ascii", "replace").decode("ascii")))
        part = self._made(number, kind, item.content, {"name*": item.name}, fields)
        if item.is_message:
            self._add_tnef(part, depth, embedded=True)
        else:
            self._open(part, depth)
        return part

    def _made(
        self, number: str, kind: str, raw: bytes, parameters: Mapping[str, str], fields: list[tuple[str, str]]
    ) -> Part:
        """A part that has no bytes of its own in the message."""
        self._parts += 1
        part = Part(raw, HeaderBlock(fields, 0, is_plain=True), len(raw), number, number + ".")
        part.content_type, part.parameters = kind, parameters
        return part

    def _add_message(self, part: Part, depth: int) -> None:
        if self._is_full(depth):
            return
        raw, start, end = part.raw, part.start, part.end
        if transfer.is_encoded(part.encoding()):
            raw = part.content(self._defects)
            start, end = 0, len(raw)
        number = (f"{part.number}.1", f"{part.number}.")  # a multipart's children take its own place
        part.children = [self._part(raw, start, end, number, "text/plain", depth + 1)]

    def _add_parts(self, part: Part, depth: int) -> None:
        boundary = part.parameters.get("boundary*") or part.parameters.get("boundary", "")
        boundary = boundary.rstrip()
        if not boundary:
            self._defects.add("no-boundary")
            return
        if depth >= self._limits.depth:
            self._defects.add("too-deep")
            return
        delimiter = b"--" + boundary.encode("latin-1", "replace")
        self._add_children(part, part.raw, part.start, part.end, delimiter, depth)
        if not part.children and transfer.is_encoded(part.encoding()):
            raw = part.content(self._defects)
            self._add_children(part, raw, 0, len(raw), delimiter, depth)
        if not part.children:
            self._defects.add("missing-boundary")

    def _add_children(self, part: Part, raw: bytes, start: int, end: int, delimiter: bytes, depth: int) -> None:
        default_type = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        for index, (first, last) in enumerate(self._ranges(raw, start, end, delimiter), 1):
            if self._is_full(depth):
                break
            number = f"{part.prefix}{index}"
            part.children.append(self._part(raw, first, last, (number, number + "."), default_type, depth + 1))

    def _ranges(self, raw: bytes, body: int, end: int, delimiter: bytes) -> Iterator[tuple[int, int]]:
        """Where the children of a multipart begin and end."""
        start, position = -1, body
        while (found := raw.find(delimiter, position, end)) >= 0:
            position = found + len(delimiter)
            if found > body and raw[found - 1] not in _LINE_ENDS:
                continue
            window_end = min(end, position + _DELIMITER_TAIL)
            line_end = raw.find(b"\n", position, window_end)
            tail = raw[position : window_end if line_end < 0 else line_end].strip()
            if tail not in (b"", b"--"):
                continue
            if start >= 0:
                yield start, _before_line_end(raw, start, found)
            start = end if line_end < 0 else line_end + 1
            if tail:
                return
            position = start
        if start >= 0:
            self._defects.add("unterminated-multipart")
            if start < end:
                yield start, end


def _before_line_end(raw: bytes, start: int, end: int) -> int:
    """The line end before a delimiter belongs to the delimiter."""
    if end > start and raw[end - 1] == 10:
        end -= 1
    if end > start and raw[end - 1] == 13:
        end -= 1
    return end

"""A message's text, and the list of its attachments.

The text is what a reader sees, in order: of alternatives the plain one, else the HTML as text. An embedded message
appears at its place, with sender, subject, text and names of attachments; so does the content of TNEF, but its body
only if it adds words to the text before it, since most mailers send both.
"""

import hashlib

from jobs.mime import charset, flowed, headers, html, prescan
from jobs.mime.defects import Defects
from jobs.mime.message import HEAD_BYTES, Attachment, MimeLimits
from jobs.mime.tree import Part

#: Read as plain text besides text/plain, when not declared an attachment.
_PLAIN = frozenset({"text/plain", "text/enriched", "text/richtext", "text/rfc822-headers", "message/delivery-status"})

_FILE_NAMES = frozenset({"filename", "filename*", "name", "name*"})

#: Something to read: a part and whether it is HTML, or words that are no part's content.
_Text = tuple[Part, bool] | str


class Body:
    """Collects from the parts of one message."""

    def __init__(self, limits: MimeLimits, defects: Defects) -> None:
        self._limits = limits
        self._defects = defects
        self._texts: list[_Text] = []
        self._root: Part | None = None
        self._likely: str | None = None  # the charset of raw bytes in names of files, once asked for
        self.has_html = False
        self.attachments: list[Attachment] = []
        self.heads: list[bytes] = []

    def read(self, root: Part) -> None:
        """Sort the parts into text and attachments."""
        self._root = root
        self._texts = self._walk(root)

    def text(self) -> str:
        """The text, lines ended by "\\n", cut to the limit."""
        pieces: list[str] = []
        left = self._limits.text_bytes
        seen = _Words(pieces)
        for found in self._texts:
            piece = (found if isinstance(found, str) else self._decode(*found)).strip()
            if not piece or (not isinstance(found, str) and found[0].may_repeat and seen.hold_all_of(piece)):
                continue
            kept = charset.cut(piece, left)
            pieces.append(kept)
            if len(kept) < len(piece):
                self._defects.add("text-cut")
                break
            left -= len(kept) if kept.isascii() else len(kept.encode("utf-8"))
            left -= 2  # what joins the pieces
            if left <= 0:
                break
        return "\n\n".join(pieces)

    def _walk(self, part: Part, embedded: bool = False) -> list[_Text]:
        if part.is_message or part.is_tnef:
            return self._container(part, embedded)
        if not part.is_multipart or not part.children:
            return self._leaf(part)
        texts = [text for child in part.children for text in self._walk(child, embedded)]
        if part.content_type == "multipart/alternative" and any(self._has_words(text) for text in texts):
            return [text for text in texts if isinstance(text, str) or not text[1]]
        return texts

    def _container(self, part: Part, embedded: bool) -> list[_Text]:
        """A part that is a file and holds parts. The outermost one names the files in it."""
        self._list(part)
        if not part.children:  # a message nested too deep: its words are kept nevertheless
            return [(part, False)] if part.is_message else []
        listed = len(self.attachments)
        texts: list[_Text] = [self._head(part.children[0])] if part.is_message else []
        texts += [text for child in part.children for text in self._walk(child, True)]
        if not embedded:
            texts.append("\n".join(found.filename for found in self.attachments[listed:] if found.filename))
        return texts

    def _head(self, message: Part) -> str:
        """Sender and subject of an embedded message."""
        message.declare_charset()
        fields = [(name, message.block.text(name.lower(), self._defects)) for name in ("From", "Subject")]
        return "\n".join(f"{name}: {value}" for name, value in fields if value)

    def _has_words(self, text: _Text) -> bool:
        if isinstance(text, str):
            return False
        part, is_html = text
        return not is_html and not part.raw[part.start : part.end].isspace() and part.start < part.end

    def _leaf(self, part: Part) -> list[_Text]:
        kind = part.content_type
        is_html = kind == "text/html"
        is_root = part is self._root
        readable = is_html or kind in _PLAIN or part.is_multipart or (is_root and kind.startswith("text/"))
        disposition, parameters = part.disposition()
        named = bool(_FILE_NAMES & parameters.keys() or _FILE_NAMES & part.parameters.keys())
        is_attachment = disposition == "attachment"
        if not readable or is_attachment or (named and not is_root):
            self._list(part)
        if not readable or is_attachment:
            return []
        self.has_html = self.has_html or is_html
        return [(part, is_html)]

    def _list(self, part: Part) -> None:
        if len(self.attachments) >= self._limits.attachments:
            self._defects.add("too-many-attachments")
            return
        content = part.content(self._defects)
        likely = self._likely_charset()
        self.heads.append(content[:HEAD_BYTES])
        disposition, parameters = part.disposition(likely)
        content_id = part.content_id(self._defects)
        given = part.parameters_as(likely)
        name = headers.filename(parameters, given, self._limits.name_bytes, self._defects)
        self.attachments.append(
            Attachment(
                part=part.number,
                filename=name,
                content_type=part.content_type,
                size_bytes=len(content),
                sha256=hashlib.sha256(content).digest(),
                inline=disposition == "inline" or (bool(content_id) and disposition != "attachment"),
                content_id=charset.cut(content_id, 998),
            )
        )

    def _likely_charset(self) -> str:
        if self._likely is None:
            self._likely = self._root.likely_charset() if self._root else ""
        return self._likely

    def _decode(self, part: Part, is_html: bool) -> str:
        content = part.content(self._defects)
        limit = self._limits.html_bytes if is_html else self._limits.text_bytes
        if len(content) > limit:
            self._defects.add("text-cut")
            content = content[: content.rfind(b"\n", 0, limit) + 1 or limit]
        if is_html:
            declared = prescan.charset_of(content, part.parameters.get("charset", ""))
            return html.text(charset.decode(content, declared, self._defects), self._limits.html_tags, self._defects)
        text = charset.decode(content, part.parameters.get("charset", ""), self._defects)
        text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
        return flowed.text_of(text, part.parameters) if part.content_type == "text/plain" else text


class _Words:
    """The words of the pieces of a text; each piece is split on first use."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = pieces
        self._read = 0
        self._words: set[str] = set()

    def hold_all_of(self, piece: str) -> bool:
        """Whether the earlier pieces contain every word of a piece."""
        for before in self._pieces[self._read :]:
            self._words.update(before.split())
        self._read = len(self._pieces)
        return self._words.issuperset(piece.split())

"""TNEF, Outlook's own wrapping of a message ("winmail.dat", MS-OXTNEF): its words and its attachments.

Never raises; damage affects only the damaged item. One pass over the bytes: a claimed count allocates nothing, and at
most `ITEMS` attributes, properties and values are read.

Why not tnefparse (1.4.0, its last release, of January 2021, LGPL): it removes trailing zero bytes of attachments, which
corrupts ZIP files; 49 bytes that claim 2,000,000 properties occupy it for 0.3 s, and they may claim
4,294,967,295; embedded messages end in a RecursionError; and it raises on an attachment without its opening attribute.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from jobs.mime import charset, rtf
from jobs.mime.defects import Defects

SIGNATURE = b"\x78\x9f\x3e\x22"

#: Attributes, properties and values that are read of one stream; Outlook writes some 150 of a message.
ITEMS = 20_000

_ATTRIBUTE = struct.Struct("<BHHI")  # level, name, type, size of the data; a checksum (u16) follows the data
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_PAIR = struct.Struct("<HH")

_OF_ATTACHMENT = 2  # the level of an attribute

_SUBJECT, _BODY, _FROM = 0x8004, 0x800C, 0x8000
_CONTENT, _TITLE, _TRANSPORT_NAME = 0x800F, 0x8010, 0x9001
_NEXT_ATTACHMENT, _MESSAGE_PROPERTIES, _ATTACHMENT_PROPERTIES, _CODE_PAGE = 0x9002, 0x9003, 0x9005, 0x9007

# Properties of MAPI, by their number.
_P_SUBJECT, _P_BODY, _P_RTF, _P_HTML, _P_CODE_PAGE = 0x0037, 0x1000, 0x1009, 0x1013, 0x3FDE
_P_SENDER, _P_SENDER_SMTP, _P_SENDER_ADDRESS = 0x0C1A, 0x5D01, 0x0C1F
_P_CONTENT, _P_NAME, _P_SHORT_NAME, _P_LONG_NAME, _P_TYPE, _P_ID = 0x3701, 0x3001, 0x3704, 0x3707, 0x370E, 0x3712

_STRING, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
#: Bytes of a property's value, by its type.
_FIXED = {0x01: 0, 0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = frozenset({0x00, _OBJECT, _STRING, _UNICODE, _BINARY})
_MANY, _NAMED = 0x1000, 0x8000

#: An object's value begins with the 16 bytes of its interface; this one is a message, in TNEF of its own.
_INTERFACE_BYTES = 16
_IS_MESSAGE = bytes.fromhex("0703020000000000c000000000000046")

#: Windows' numbers of code pages for which Python has another name than "cp" and the number.
_CODE_PAGES = {
    1200: "utf-16-le",
    20127: "us-ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    28591: "iso-8859-1",
    28592: "iso-8859-2",
    28595: "iso-8859-5",
    28597: "iso-8859-7",
    28599: "iso-8859-9",
    28605: "iso-8859-15",
    50220: "iso-2022-jp",
    50221: "iso-2022-jp",
    51932: "euc-jp",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}


@dataclass(slots=True)
class TnefAttachment:
    """`content` of an embedded message is TNEF again."""

    name: str = ""
    content_type: str = ""
    content_id: str = ""
    content: bytes = b""
    is_message: bool = False


@dataclass(slots=True)
class TnefMessage:
    """`body` is plain text or, when there is none, HTML (`is_html`). Every field may be empty."""

    subject: str = ""
    sender: str = ""
    body: str = ""
    is_html: bool = False
    attachments: list[TnefAttachment] = field(default_factory=list)


def read(data: bytes, max_attachments: int, max_text_bytes: int, defects: Defects) -> TnefMessage:
    """What a TNEF stream holds. Never raises: damage is the defect bad-tnef, and what lies before it is kept."""
    reader = _Reader(max_attachments, max_text_bytes, defects)
    if data[:4] != SIGNATURE:
        defects.add("bad-tnef")
        return reader.message()
    try:
        for level, name, content in reader.attributes(data):
            if level == _OF_ATTACHMENT:
                reader.of_attachment(name, content)
            else:
                reader.of_message(name, content)
    except _TooManyItems:
        defects.add("too-many-parts")
    return reader.message()


class _TooManyItems(Exception):
    """The stream holds more than `ITEMS`: `read` stops there."""


def _after_name(data: memoryview, position: int) -> int:
    """The place after the name of a property that has one."""
    is_text, size = _U32.unpack_from(data, position + 16)[0], _U32.unpack_from(data, position + 20)[0]
    return position + 24 + (_padded(size) if is_text else 0)


def _padded(size: int) -> int:
    return (size + 3) & ~3


class _Reader:
    """Collects what the attributes of one stream say."""

    def __init__(self, max_attachments: int, max_text_bytes: int, defects: Defects) -> None:
        self._max_attachments = max_attachments
        self._max_text_bytes = max_text_bytes
        self._defects = defects
        self._message = TnefMessage()
        self._code_page = 1252
        self._html_code_page = 0
        self._html: tuple[int, bytes] = (0, b"")  # type and value
        self._rtf = b""
        self._ignored = False  # the attributes belong to an attachment beyond the limit
        self._items = 0

    def attributes(self, data: bytes) -> Iterator[tuple[int, int, memoryview]]:
        """Level, name and data of every attribute; of the last one, when the stream is cut, what is left of it."""
        view = memoryview(data)
        position = 6  # after the signature and a key
        while position + _ATTRIBUTE.size <= len(view):
            self._count_item()
            level, name, _, size = _ATTRIBUTE.unpack_from(view, position)
            start = position + _ATTRIBUTE.size
            position = start + size + _U16.size
            if level not in (1, _OF_ATTACHMENT):
                self._defects.add("bad-tnef")
                return
            content = view[start : start + size]
            if position > len(view) or sum(bytes(content)) & 0xFFFF != _U16.unpack_from(view, start + size)[0]:
                self._defects.add("bad-tnef")
            yield level, name, content

    def message(self) -> TnefMessage:
        message, limit = self._message, self._max_text_bytes
        kind, html = self._html
        if not message.body and html:
            page = self._html_code_page or self._code_page
            message.body = self._text(kind, html, page)
            message.is_html = True
        elif not message.body and self._rtf:
            message.body = rtf.text(rtf.decompress(self._rtf, limit, self._defects), self._defects)
        return message

    def of_message(self, name: int, data: memoryview) -> None:
        message = self._message
        if name == _CODE_PAGE and len(data) >= 4:
            (self._code_page,) = _U32.unpack_from(data)
        elif name == _SUBJECT and not message.subject:
            message.subject = self._text(_STRING, bytes(data))
        elif name == _BODY and not message.body:
            message.body = self._text(_STRING, bytes(data))
        elif name == _FROM and not message.sender and len(data) >= 8:
            sizes = struct.unpack_from("<4H", data)  # a kind, the size of it all, of the name, of the address
            message.sender = self._text(_STRING, bytes(data[8 : 8 + sizes[2]]))
        elif name == _MESSAGE_PROPERTIES:
            self._message_properties(data)

    def of_attachment(self, name: int, data: memoryview) -> None:
        attachments = self._message.attachments
        if name == _NEXT_ATTACHMENT or not attachments:
            self._ignored = len(attachments) >= self._max_attachments
            if self._ignored:
                self._defects.add("too-many-parts")
                return
            attachments.append(TnefAttachment())
        if self._ignored:
            return
        attachment = attachments[-1]
        if name in (_TITLE, _TRANSPORT_NAME) and not attachment.name:
            attachment.name = self._text(_STRING, bytes(data))
        elif name == _CONTENT:
            attachment.content = bytes(data)
        elif name == _ATTACHMENT_PROPERTIES:
            self._attachment_properties(attachment, data)

    def _message_properties(self, data: memoryview) -> None:
        message, found = self._message, self._properties(data)
        if _P_CODE_PAGE in found and len(found[_P_CODE_PAGE][1]) == 4:
            (self._html_code_page,) = _U32.unpack(found[_P_CODE_PAGE][1])
        message.subject = self._text(*found.get(_P_SUBJECT, (_STRING, b""))) or message.subject
        message.body = self._text(*found.get(_P_BODY, (_STRING, b""))) or message.body
        name = self._text(*found.get(_P_SENDER, (_STRING, b"")))
        address = self._text(*found.get(_P_SENDER_SMTP, found.get(_P_SENDER_ADDRESS, (_STRING, b""))))
        if name and "@" in address and name != address:
            message.sender = f"{name} <{address}>"
        else:
            message.sender = name or address or message.sender
        self._html = found.get(_P_HTML, self._html)
        self._rtf = found.get(_P_RTF, (_BINARY, self._rtf))[1]

    def _attachment_properties(self, attachment: TnefAttachment, data: memoryview) -> None:
        found = self._properties(data)
        for number in (_P_LONG_NAME, _P_SHORT_NAME, _P_NAME):
            name = self._text(*found.get(number, (_STRING, b"")))
            if name:
                attachment.name = name
                break
        attachment.content_type = self._text(*found.get(_P_TYPE, (_STRING, b""))).lower()
        attachment.content_id = self._text(*found.get(_P_ID, (_STRING, b"")))
        kind, content = found.get(_P_CONTENT, (_BINARY, b""))
        if kind == _OBJECT:
            attachment.is_message = content.startswith(_IS_MESSAGE)
            content = content[_INTERFACE_BYTES:]
        attachment.content = content or attachment.content

    def _properties(self, data: memoryview) -> dict[int, tuple[int, bytes]]:
        """Type and (first) value of every property, by its number; of a number that is repeated, the first."""
        found: dict[int, tuple[int, bytes]] = {}
        position = 4  # after the count, which tells nothing that the end of the data does not
        try:
            while position + _PAIR.size <= len(data):
                self._count_item()
                kind, number = _PAIR.unpack_from(data, position)
                position += _PAIR.size
                if number >= _NAMED:
                    position = _after_name(data, position)
                if kind & _MANY or kind in _VARIABLE:
                    value, position = self._values(data, position, kind & ~_MANY)
                else:
                    value = bytes(data[position : position + _FIXED[kind]])
                    position += _FIXED[kind]
                found.setdefault(number, (kind, value))
        except (struct.error, KeyError):  # cut, or of a type that does not exist
            self._defects.add("bad-tnef")
        return found

    def _values(self, data: memoryview, position: int, kind: int) -> tuple[bytes, int]:
        (count,) = _U32.unpack_from(data, position)
        position += 4
        if kind not in _VARIABLE:
            size = 2 if kind in (0x02, 0x0B) else _FIXED[kind]
            return bytes(data[position : position + size]), position + _padded(count * size)
        first = b""
        for index in range(count):
            self._count_item()
            (size,) = _U32.unpack_from(data, position)  # raises at the end of the data, whatever `count` is
            position += 4
            if index == 0:
                first = bytes(data[position : position + size])
            position += _padded(size)
        return first, position

    def _count_item(self) -> None:
        self._items += 1
        if self._items > ITEMS:
            raise _TooManyItems

    def _text(self, kind: int, value: bytes, code_page: int = 0) -> str:
        """A string, which ends at its first zero."""
        if len(value) > self._max_text_bytes:
            self._defects.add("text-cut")
            value = value[: self._max_text_bytes & ~1]
        code_page = 1200 if kind == _UNICODE else code_page or self._code_page
        if code_page != 1200:
            value = value.partition(b"\0")[0]
        declared = _CODE_PAGES.get(code_page, f"cp{code_page}")
        # The zero that ends a string is no damage, so it is cut off before NULs are replaced as a defect.
        text = value.decode("utf-16-le", "replace").partition("\0")[0] if code_page == 1200 else ""
        return charset.clean(text, self._defects) if text else charset.decode(value, declared, self._defects)

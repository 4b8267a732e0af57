"""Mail for Hypothesis: built of parts as mailers build it, and then damaged.

`check` is what must hold of every message, whatever its bytes.
"""

import base64
import binascii
import quopri

from hypothesis import strategies as st

from jobs.mime.message import HEAD_BYTES, MimeLimits, ParsedMessage
from jobs.mime.parser import attachment, parse
from tests.unit.jobs.mime import outlook
from tests.unit.jobs.mime.outlook import HELLO_RTF

LIMITS = MimeLimits(
    message_bytes=200_000,
    headers=50,
    header_bytes=4096,
    value_chars=512,
    text_bytes=4096,
    html_bytes=8192,
    html_tags=100,
    attachments=10,
    parts=100,
    depth=10,
    addresses=20,
    references=10,
    name_bytes=40,
    defects=12,
)

TOKENS = [
    *[b"\n", b"\r", b"\r\n\r\n", b"--b", b"--b--", b"\0", b"\xff\xfe", b"=?utf-8?q?", b"?=", b'"', b";", b"=", b"\f"],
    *[b"Content-Type: message/rfc822\n\n", b"Content-Type: multipart/digest; boundary=b\n", b"From: <", b"From x\n"],
    *[b"Content-Transfer-Encoding: base64\n", b"charset=utf-16;", b"charset=utf-7", b"charset=hz", b"*0*=", b"*1*="],
    *[b"Date: 1 Jan 99999 99:99", b"<p><table>", b"<!--", b"</", b"&#x0;", b"begin 644 x\n", b"\x78\x9f\x3e\x22"],
    *[b"=?gb2312?b?", b"\x1b$B", b"~{", b"\xed\xa0\x80", b"(", b"<a@b>, ", b"\n ", b"\n\t", b"%", b"''"],
]  # fmt: skip


def _in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


_WORDS = st.text(max_size=60)
_CHARSETS = st.sampled_from(["utf-8", "iso-8859-1", "gb2312", "utf-16", "iso-2022-jp", "hz", "utf-7", "klingon", ""])
_NAMES = st.sampled_from(
    ["Subject", "From", "To", "Cc", "Reply-To", "Date", "References", "Message-ID", "List-Id", "X-Other", "Received"]
)
_VALUES = st.one_of(
    _WORDS,
    st.builds("=?{}?b?{}?=".format, _CHARSETS, st.binary(max_size=20).map(_in_base64)),
    st.builds('"{}" <{}>, a@b.c'.format, _WORDS, _WORDS),
    st.sampled_from(["Tue, 3 Nov 2026 10:00:00 +0200", "Tue, 31 Feb 2026 10:00:00 -9959", "3 Nov 26 1:2 EST"]),
)
_ENCODINGS = st.sampled_from(["7bit", "8bit", "base64", "quoted-printable", "x-uuencode", "rot13", ""])


def _encoded(data: bytes, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.encodebytes(data)
    if encoding == "quoted-printable":
        return quopri.encodestring(data)
    if encoding == "x-uuencode":
        lines = (binascii.b2a_uu(data[start : start + 45]) for start in range(0, len(data), 45))
        return b"begin 644 x\n" + b"".join(lines) + b"`\nend\n"
    return data


@st.composite
def _fields(draw: st.DrawFn) -> bytes:
    fields = draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=5))
    return "".join(f"{name}: {value}\n" for name, value in fields).encode("utf-8", "surrogatepass")


@st.composite
def _leaf(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["text/plain", "text/html", "image/png", "text/calendar", "application/octet-stream"]))
    encoding, charset = draw(_ENCODINGS), draw(_CHARSETS)
    data = draw(st.binary(max_size=80) | _WORDS.map(lambda text: text.encode("utf-8", "replace")))
    name = draw(st.sampled_from(["", "; name=a.png", "; name*=utf-8''%C3%A9", '; name="winmail.dat"']))
    disposition = draw(st.sampled_from(["", "Content-Disposition: attachment\n", "Content-Disposition: inline\n"]))
    head = f"Content-Type: {kind}; charset={charset}{name}\nContent-Transfer-Encoding: {encoding}\n{disposition}\n"
    return draw(_fields()) + head.encode() + _encoded(data, encoding)


@st.composite
def _tnef(draw: st.DrawFn) -> bytes:
    data = outlook.stream(
        outlook.attribute(
            1,
            0x9003,
            outlook.properties(
                outlook.text(0x37, draw(_WORDS.map(lambda text: text.encode("utf-16", "replace").decode("utf-16")))),
                outlook.named("key"),
                outlook.binary(0x1009, HELLO_RTF),
            ),
        ),
        outlook.attachment(b"a.txt", draw(st.binary(max_size=40)), outlook.narrow(0x3712, b"one@x")),
    )
    for _ in range(draw(st.integers(0, 3))):
        data = outlook.stream(outlook.embedded("inner", data))
    data = _damaged(data, draw(_edits(len(data), 4)))
    head = b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n"
    return head + base64.encodebytes(data)


def _multipart(children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        kind = draw(st.sampled_from(["mixed", "alternative", "related", "digest", "report"]))
        boundary = draw(st.sampled_from(["b", "b b", "bb", "'b"]))
        parts = "".join(f"--{boundary}\n\0PART\0\n" for _ in range(3)).encode()
        for part in draw(st.lists(children, min_size=3, max_size=3)):
            parts = parts.replace(b"\0PART\0", part, 1)
        head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\n\n'.encode()
        return draw(_fields()) + head + parts + draw(st.sampled_from([f"--{boundary}--\n".encode(), b""]))

    return build()


@st.composite
def _message(draw: st.DrawFn, children: st.SearchStrategy[bytes]) -> bytes:
    encoding = draw(_ENCODINGS)
    inner = _encoded(draw(children), encoding)
    return f"Content-Type: message/rfc822\nContent-Transfer-Encoding: {encoding}\n\n".encode() + inner


def _edits(size: int, count: int) -> st.SearchStrategy[list[tuple[int, int, bytes]]]:
    piece = st.sampled_from(TOKENS) | st.binary(max_size=12)
    return st.lists(st.tuples(st.integers(0, size), st.integers(0, 40), piece), max_size=count)


def _damaged(raw: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for position, length, replacement in edits:
        raw = raw[:position] + replacement + raw[position + length :]
    return raw


@st.composite
def damaged(draw: st.DrawFn, mail: st.SearchStrategy[bytes]) -> bytes:
    """Mail with up to ten edits: bytes cut out, replaced by what parsers stumble over."""
    raw = draw(mail)
    return _damaged(raw, draw(_edits(len(raw), 10)))


#: Whole messages, their lines ended in either way.
MAIL: st.SearchStrategy[bytes] = st.builds(
    lambda raw, crlf: raw.replace(b"\n", b"\r\n") if crlf else raw,
    st.recursive(_leaf() | _tnef(), lambda children: _multipart(children) | _message(children), max_leaves=8),
    st.booleans(),
)


def check(raw: bytes, limits: MimeLimits = LIMITS) -> None:
    """No exception, valid text, bounded sizes, every listed attachment fetched as it was listed, and the same again."""
    message = parse(raw, limits)
    for text in _strings(message):
        text.encode("utf-8")
        assert "\0" not in text
    assert len(message.text.encode()) <= limits.text_bytes
    assert len(message.headers) <= limits.headers
    assert all(len(value) <= limits.value_chars for _, value in message.headers)
    assert max(map(len, (message.to, message.cc, message.bcc, message.reply_to))) <= limits.addresses
    assert len(message.references) <= limits.references
    assert len(message.attachments) <= limits.attachments
    assert len(message.defects) <= limits.defects
    assert [len(head) for head in message.heads] == [min(one.size_bytes, HEAD_BYTES) for one in message.attachments]
    assert message.date is None or message.date.utcoffset() is not None
    numbers = [listed.part for listed in message.attachments]
    assert len(numbers) == len(set(numbers))
    for listed in message.attachments:
        assert len(listed.filename.encode()) <= limits.name_bytes
        found = attachment(raw, listed.part, limits)
        assert found is not None
        assert found.filename
        assert len(found.content) == listed.size_bytes
    assert parse(raw, limits) == message


def _strings(message: ParsedMessage) -> list[str]:
    found = [message.subject, message.text, message.from_, message.from_name, message.from_address, message.list_id]
    found += [message.message_id_header, message.in_reply_to, *message.references, *message.defects]
    found += [*message.to, *message.cc, *message.bcc, *message.reply_to]
    found += [text for header in message.headers for text in header]
    for item in message.attachments:
        found += [item.part, item.filename, item.content_type, item.content_id]
    return found

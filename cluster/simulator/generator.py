"""Generated mail: varied, plausible, deterministic for a seed.

Languages and charsets, every transfer encoding, plain text beside HTML, attachments, threads, newsletters and receipts.
On request also damaged and extreme messages. Written as bytes by hand, because a library would refuse to write
half of it.
"""

import struct
import zlib
from base64 import encodebytes
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import format_datetime
from html import escape
from quopri import encodestring
from random import Random

from cluster.simulator.phrases import TONGUES, Tongue
from jobs.importing.mail_files import SourceMail

_FIRST_DAY = datetime(2023, 1, 2, 8, 0, tzinfo=UTC)
_ME = "me@example.com"
_HUGE_BYTES = 20 * 1024 * 1024


def generate(count: int, seed: int, hostile: bool) -> Iterator[SourceMail]:
    """`count` messages in order of date and, if `hostile`, the damaged ones after them."""
    chance = Random(f"mail {seed}")  # noqa: S311  # repeatable, not secret
    recent: list[_Letter] = []
    for number in range(count):
        letter = _Letter(chance, seed, number, recent)
        recent = [*recent[-7:], letter]
        yield SourceMail(letter.name, letter.render())
    if hostile:
        yield from _hostile(seed)


class _Letter:
    """One message before it is encoded."""

    def __init__(self, chance: Random, seed: int, number: int, recent: list["_Letter"]) -> None:
        self._chance = chance
        self._number = number
        self.date = _FIRST_DAY + timedelta(minutes=97 * number + chance.randrange(90))
        self.message_id: str = f"<{seed}.{number}.{chance.getrandbits(40):010x}@mail.example.com>"
        self.kind = chance.choices(
            ("personal", "reply", "newsletter", "receipt", "sent"), weights=(40, 25, 15, 10, 10)
        )[0]
        parent = chance.choice(recent) if self.kind == "reply" and recent else None
        self.tongue: Tongue = parent.tongue if parent else chance.choice(TONGUES)
        self.charset = chance.choice(self.tongue.charsets)
        self.person = chance.choice(self.tongue.people)
        self.references: str = f"{parent.references} {parent.message_id}".strip() if parent else ""
        self.subject: str = self._subject(parent)
        self.name = f"{'sent' if self.kind == 'sent' else 'inbox'}/{number:06d}.eml"

    def _subject(self, parent: "_Letter | None") -> str:
        if parent:
            return f"Re: {parent.subject.removeprefix('Re: ')}"
        subject = self._chance.choice(self.tongue.subjects)
        if self.kind == "newsletter":
            return f"{subject} | {self.date:%B %Y}"
        return f"{subject} #{self._number}" if self.kind == "receipt" else subject

    def render(self) -> bytes:
        text = self._text()
        if self.kind == "newsletter" or self._chance.random() < 0.3:
            content = self._alternative(text)
        else:
            content = self._leaf("plain", text)
        if self.kind == "receipt" or self._chance.random() < 0.15:
            content = self._mixed(content)
        return "".join(self._headers()).encode("ascii") + content

    def _headers(self) -> Iterator[str]:
        sender = f"{_encoded(self.person, self.charset)} <person{self._number % 37}@example.org>"
        me = f"Me <{_ME}>"
        if self.kind == "newsletter":
            sender = f"{_encoded(self.person, self.charset)} <news@letters.example.net>"
        elif self.kind == "receipt":
            sender = "Shop <no-reply@shop.example.net>"
        yield f"Received: from mx.example.org by mx.example.com with ESMTPS;\r\n\t{format_datetime(self.date)}\r\n"
        yield f"From: {me if self.kind == 'sent' else sender}\r\n"
        yield f"To: {sender if self.kind == 'sent' else me}\r\n"
        yield f"Subject: {_encoded(self.subject, self.charset)}\r\n"
        yield f"Date: {format_datetime(self.date)}\r\n"
        yield f"Message-ID: {self.message_id}\r\n"
        if self.references:
            yield f"In-Reply-To: {self.references.rsplit(' ', 1)[-1]}\r\n"
            yield "References: " + self.references.replace(" ", "\r\n ") + "\r\n"
        if self.kind == "newsletter":
            yield "List-Id: <news.letters.example.net>\r\n"
            yield f"List-Unsubscribe: <https://letters.example.net/leave/{self._number}>\r\n"
            yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        yield "MIME-Version: 1.0\r\n"

    def _text(self) -> str:
        sentences = self._chance.choices(self.tongue.sentences, k=self._chance.randint(2, 12))
        lines = [*sentences, "", f"-- {self.person}"]
        if self.kind == "receipt":
            prices = [self._chance.randint(100, 9999) for _ in range(3)]
            lines = [f"{price / 100:10.2f} EUR" for price in prices] + [f"= {sum(prices) / 100:8.2f} EUR", *lines]
        elif self.references:
            lines += ["", *(f"> {sentence}" for sentence in sentences[:3])]
        return "\r\n".join(lines) + "\r\n"

    def _alternative(self, text: str) -> bytes:
        paragraphs = "".join(f"<p>{escape(line)}</p>\r\n" for line in text.splitlines() if line)
        page = (
            f'<html lang="{self.tongue.code}"><head><style>p {{ margin: 1em }}</style></head><body>\r\n{paragraphs}'
            '<img src="https://letters.example.net/pixel.gif" width="1" height="1">\r\n</body></html>\r\n'
        )
        return self._multipart("alternative", [self._leaf("plain", text), self._leaf("html", page)])

    def _mixed(self, content: bytes) -> bytes:
        makers: tuple[Callable[[Random], tuple[str, str, bytes]], ...] = (_png, _pdf, _csv, _notes)
        parts = [content]
        for make in self._chance.sample(makers, self._chance.randint(1, 2)):
            kind, file_name, data = make(self._chance)
            head = f'Content-Type: {kind}; name="{file_name}"\r\nContent-Transfer-Encoding: base64\r\n'
            head += f'Content-Disposition: attachment; filename="{file_name}"\r\n\r\n'
            parts.append(head.encode() + _base64(data))
        return self._multipart("mixed", parts)

    def _multipart(self, kind: str, parts: list[bytes]) -> bytes:
        boundary = f"=_{kind[:3]}_{self._number:x}_{self._chance.getrandbits(32):08x}"
        delimiter = f"--{boundary}\r\n".encode()
        head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
        inside = b"".join(delimiter + part + b"\r\n" for part in parts)
        return head + inside + f"--{boundary}--\r\n".encode()

    def _leaf(self, kind: str, text: str) -> bytes:
        charset, data = _encode(text, self.charset)
        if charset in ("us-ascii", "iso-2022-jp"):
            encoding = "7bit"
        else:
            encoding = self._chance.choice(("quoted-printable", "base64", "8bit"))
        if encoding == "quoted-printable":
            data = encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        elif encoding == "base64":
            data = _base64(data)
        head = f"Content-Type: text/{kind}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        return head.encode("ascii") + data


def _hostile(seed: int) -> Iterator[SourceMail]:
    """Damaged and extreme messages; only the last, a large one, is well formed."""
    head = "From: x@example.org\r\nTo: me@example.com\r\nDate: Fri, 1 Nov 2024 12:00:00 +0000\r\nMessage-ID: <%s@h>\r\n"

    def mail(name: str, rest: bytes) -> SourceMail:
        return SourceMail(f"hostile/{name}.eml", (head % f"{seed}.{name}").encode() + rest)

    multipart = b'Subject: cut off\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    yield mail("truncated-multipart", multipart + b"Content-Type: application/pdf\r\nContent-Tra")
    yield SourceMail("hostile/empty.eml", b"")
    yield mail(
        "8bit-headers", b"Subject: \xff\xfe\x80 Gr\xfc\xdfe \xe4\xbd\xa0\r\nX-\xe9: \x01\x02\r\n\r\nbody\xff\r\n"
    )
    yield SourceMail("hostile/no-headers.eml", b"\r\n\r\nThere are no headers above this line.\r\n")
    yield SourceMail("hostile/no-body.eml", b"Subject: nothing follows")
    yield mail("nul", b"Subject: zero\r\n\r\nbefore\x00after\r\n")
    yield mail("bare-cr", b"Subject: old\rX-Odd: yes\r\n\r\none\rtwo\rthree\r\n")
    yield SourceMail("hostile/bad-date.eml", b"Subject: when\r\nDate: the day after tomorrow\r\n\r\nsome time\r\n")
    yield mail(
        "bad-base64",
        b"Subject: digits\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n@@not==base64\xff\r\n",
    )
    yield mail(
        "unknown-charset", b"Subject: =?x-klingon?B?AAAA?=\r\nContent-Type: text/plain; charset=x-none\r\n\r\n\x81\r\n"
    )
    yield mail("nested", _nested(60))
    block = bytes(Random(seed).getrandbits(8) for _ in range(4096))  # noqa: S311  # repeatable, not secret
    attached = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    yield mail("20-megabytes", b"Subject: large\r\n" + attached + _base64(block * (_HUGE_BYTES * 3 // 4 // 4096)))


def _nested(depth: int) -> bytes:
    inner = b"Content-Type: text/plain\r\n\r\nat the bottom\r\n"
    for level in range(depth):
        inner = b'Content-Type: multipart/mixed; boundary="n%d"\r\n\r\n--n%d\r\n%s--n%d--\r\n' % (
            level,
            level,
            inner,
            level,
        )
    return b"Subject: deep\r\n" + inner


def _encode(text: str, charset: str) -> tuple[str, bytes]:
    """The text in its charset; in UTF-8 where the charset lacks a character."""
    try:
        return charset, text.encode(charset)
    except UnicodeEncodeError:
        return "utf-8", text.encode("utf-8")


def _encoded(text: str, charset: str) -> str:
    """A header value encoded by RFC 2047."""
    if text.isascii():
        return text
    used, _ = _encode(text, charset)
    return Header(text, used).encode(linesep="\r\n")


def _base64(data: bytes) -> bytes:
    return encodebytes(data).replace(b"\n", b"\r\n")


def _png(chance: Random) -> tuple[str, str, bytes]:
    side = chance.randint(8, 48)
    rows = b"".join(b"\0" + chance.randbytes(side * 3) for _ in range(side))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "image/png", f"photo-{chance.randrange(1000)}.png", data


def _pdf(chance: Random) -> tuple[str, str, bytes]:
    stream = zlib.compress(chance.randbytes(chance.randint(500, 4000)))
    body = b"%%PDF-1.4\n1 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream)
    return "application/pdf", f"invoice-{chance.randrange(10_000)}.pdf", body + stream + b"\nendstream\n%%EOF\n"


def _csv(chance: Random) -> tuple[str, str, bytes]:
    rows = "".join(f"{n},{chance.random():.4f}\r\n" for n in range(chance.randint(10, 80)))
    return "text/csv", "figures.csv", ("number,value\r\n" + rows).encode()


def _notes(chance: Random) -> tuple[str, str, bytes]:
    tongue = chance.choice(TONGUES)
    return "text/plain; charset=utf-8", "notes.txt", "\n".join(tongue.sentences).encode()

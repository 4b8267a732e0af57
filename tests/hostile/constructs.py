"""Constructs of hostile mail, each a function of its size in bytes: what once was, or could be, slow or fatal.

Most are a piece (pieces.py) that is repeated where it hurts: in a header, an address list, a body of some charset,
markup, a style sheet, rich text, TNEF, uuencode. Texts and searches: texts.py; files of an archive: archive_files.py.
"""

import base64
import struct
from collections.abc import Callable
from functools import partial

from tests.hostile import pieces
from tests.unit.jobs.mime import outlook

Mail = Callable[[int], bytes]

#: Stands in the body, and in the subject, of every message whose headers are hostile: it must be found.
WORD = "findable"


def _filled(piece: bytes, size: int) -> bytes:
    return piece * (size // len(piece) + 1)


def _in_header(name: str, piece: bytes, end: bytes = b"") -> Mail:
    head = b"Subject: %b\n%b: " % (WORD.encode(), name.encode())
    return lambda size: head + _filled(piece, size) + end + b"\nX-After: y\n\n" + WORD.encode() + b"\n"


def _counted(make: Callable[[int], bytes], width: int) -> Mail:
    """Of pieces that are all different, each `width` bytes long."""
    return lambda size: b"".join(make(number) for number in range(size // width + 1))


def _body(head: bytes, piece: bytes, start: bytes = b"", end: bytes = b"") -> Mail:
    return lambda size: head + b"\n" + start + _filled(piece, size) + end


def _of(head: bytes, content: Mail, end: bytes = b"") -> Mail:
    return lambda size: head + b"\n" + content(size) + end


_HTML = b"Content-Type: text/html; charset=utf-8\n"
_PLAIN = b"Content-Type: text/plain; charset=utf-8\n"
_MIXED = b"Content-Type: multipart/mixed; boundary=b\n"
_UU = b"Content-Transfer-Encoding: x-uuencode\n"
_QP = b"Content-Transfer-Encoding: quoted-printable\n"
_B64 = b"Content-Transfer-Encoding: base64\n"


def _start_of(charset: str) -> bytes:
    return b"" if "UTF-" in charset else WORD.encode() + b" "


def _tnef(*attributes: bytes) -> bytes:
    data = outlook.stream(*attributes)
    return b"Content-Type: application/ms-tnef; name=winmail.dat\n" + _B64 + b"\n" + base64.encodebytes(data)


def _rich(piece: bytes, size: int) -> bytes:
    text = b"{\\rtf1 " + _filled(piece, size)
    compressed = struct.pack("<IIII", len(text) + 12, len(text), 0x414C454D, 0) + text
    return _tnef(outlook.attribute(1, 0x9003, outlook.properties(outlook.binary(0x1009, compressed))))


def _winmails(size: int) -> bytes:
    one = _tnef(outlook.attribute(1, 0x800C, b" ".join(b"w%d" % number for number in range(50)) + b"\0"))
    return _MIXED + b"\n" + _filled(b"--b\n" + one + b"\n", size) + b"--b--\n"


def _numbers_that_are_long(size: int) -> bytes:
    return _HTML + b"\n" + b"<p>" * 21_000 + b"&#" + b"1" * size + b"; findable"


MAIL: dict[str, Mail] = {
    **{f"From of {name}": _in_header("From", piece) for name, piece in pieces.ADDRESS_PIECES.items()},
    **{f"To of {name}": _in_header("To", piece, b" Z <z@y.x>") for name, piece in pieces.ADDRESS_PIECES.items()},
    **{name: _in_header(header, piece) for name, (header, piece) in pieces.HEADER_PIECES.items()},
    **{
        f"charset: {name}": _body(
            b"Content-Type: text/plain; charset=%b\n" % declared.encode(), piece, _start_of(name)
        )
        for name, (declared, piece) in pieces.CHARSET_PIECES.items()
    },
    **{
        f"HTML charset: {name}": _body(b"Content-Type: text/html\n", piece, b"<meta charset=%b>" % declared.encode())
        for name, (declared, piece) in pieces.CHARSET_PIECES.items()
        if declared
    },
    **{f"HTML: {name}": _body(_HTML, piece, b"<p>findable ") for name, piece in pieces.HTML_PIECES.items()},
    **{
        f"style: {name}": _body(_HTML, piece, b'<p style="', b'">findable') for name, piece in pieces.STYLES.items()
    },
    **{
        f"style sheet: {name}": _body(_HTML, piece, b"<style>", b"</style>findable")
        for name, piece in pieces.STYLES.items()
    },
    **{f"RTF: {name}": partial(_rich, piece) for name, piece in pieces.RTF.items()},
    **{f"uuencode: {name}": _body(_UU, piece, b"begin 644 x\n") for name, piece in pieces.UU_PIECES.items()},
    **{f"uuencode without begin: {name}": _body(_UU, piece) for name, piece in pieces.UU_PIECES.items()},
    **{f"quoted-printable: {name}": _body(_QP, piece) for name, piece in pieces.QP_PIECES.items()},
    **{f"text: {name}": _body(_PLAIN, piece, b"findable ") for name, piece in pieces.PLAIN_PIECES.items()},
    **{
        f"flowed: {name}": _body(_PLAIN[:-1] + b"; format=flowed; delsp=yes\n", piece, b"findable\n")
        for name, piece in pieces.PLAIN_PIECES.items()
    },
    "HTML: attributes in a tag": lambda size: (
        _HTML + b"\n<p" + b"".join(b" a%06d" % number for number in range(size // 8)) + b">findable"
    ),
    "HTML: attributes after slashes": lambda size: (
        _HTML + b"\n<p" + b"".join(b"/a%06d" % number for number in range(size // 8)) + b">findable"
    ),
    "HTML: attributes with values": lambda size: (
        _HTML + b"\n<p" + b"".join(b' a%06d=">"' % number for number in range(size // 12)) + b">findable"
    ),
    "HTML: attributes glued": lambda size: (
        _HTML + b"\n<p " + b"".join(b"a%06d=''" % number for number in range(size // 10)) + b">findable"
    ),
    "HTML: attributes behind a script": lambda size: (
        _HTML + b'\n<script>a<b c="</script><p' + b"".join(b" a%06d" % number for number in range(size // 8)) + b">x"
    ),
    "HTML: attributes of an end tag": lambda size: (
        _HTML + b"\n</p" + b"".join(b" a%06d" % number for number in range(size // 8)) + b">findable"
    ),
    "HTML: formatting that is made again": lambda size: (
        _HTML + b"\n" + b"".join(b"<b id=%d>" % number for number in range(size // 24)) + b"<p>x</p>" * (size // 16)
    ),
    "HTML: one picture, shown often": lambda size: (
        b"Content-Type: multipart/related; boundary=b\n\n--b\n" + _HTML + b"\n" + _filled(b"<img src=cid:a>", size // 2)
        + b"\n--b\nContent-Type: image/png\nContent-ID: <a>\n\n" + _filled(b"x", size // 2) + b"\n--b--\n"
    ),
    "HTML: a number of many zeros": lambda size: _HTML + b"\n&#x" + b"0" * size + b"41; findable",
    "a long boundary": lambda size: (
        _MIXED[:-2] + b"b" * (size // 2) + b"\n\n--" + b"b" * (size // 2) + b"\n\nfindable\n"
    ),
    "boundaries that begin alike": lambda size: (
        b"".join(_MIXED[:-1] + b"b" * number + b"\n\n--b" + b"b" * number + b"\n" for number in range(40))
        + _filled(b"--bbbbb\n\nx\n", size)
    ),
    "external bodies": lambda size: _filled(b"Content-Type: message/external-body; access-type=local-file\n\n", size),
    "parts of messages": lambda size: _filled(b"Content-Type: message/partial; id=a; number=1; total=9\n\n", size),
    "reports": lambda size: (
        b"Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
        + _filled(b"Final-Recipient: rfc822; a@b\n\n", size)
    ),
    "seals": lambda size: b"Subject: findable\n" + _filled(b"ARC-Seal: i=1\n", size) + b"\nfindable",
    "HTML: a number of many digits": _numbers_that_are_long,
    "HTML: pictures of many names": lambda size: (
        _HTML + b"\n" + b"".join(b"<img src=cid:%06d>" % number for number in range(size // 20))
    ),
    "unknown charsets, each once": lambda size: (
        b"Subject: findable\nX-Other: "
        + b"".join(b"=?x%06d?q?a?= " % number for number in range(size // 16))
        + b"\n\nfindable"
    ),
    "headers": _of(b"Subject: findable\n", _counted(lambda number: b"X%06d: y\n" % number, 11)),
    "headers of one name": lambda size: b"Subject: findable\n" + _filled(b"X: y\n", size) + b"\nfindable",
    "headers without value": lambda size: b"Subject: findable\n" + _filled(b"X:\n", size) + b"\nfindable",
    "folds": lambda size: b"Subject: findable\nX: y\n" + _filled(b" z\n", size) + b"\nfindable",
    "lines that are no header": lambda size: b"Subject: findable\n" + _filled(b"z\n", size),
    "a name that is no header": lambda size: b"Subject: findable\n" + _filled(b"z", size) + b"\nX: y\n\nfindable",
    "blanks before a colon": lambda size: b"Subject: findable\nX" + _filled(b" ", size) + b"\nX: y\n\nfindable",
    "returns in the headers": lambda size: b"Subject: findable\nX: y\n" + _filled(b"\r", size) + b"\nfindable",
    "returns only": lambda size: b"Subject: findable\r" + _filled(b"X: y\r", size) + b"\rfindable",
    "froms": lambda size: _filled(b"From a\n", size),
    "nothing but lines": lambda size: _filled(b"\n", size),
    "nothing but zeros": lambda size: _filled(b"\0", size),
    "parts": lambda size: _MIXED + b"\n" + _filled(b"--b\nContent-Type: image/png\n\nx\n", size),
    "parts of text": lambda size: _MIXED + b"\n" + _filled(b"--b\n\nwords\n", size),
    "empty parts": lambda size: _MIXED + b"\n" + _filled(b"--b\n", size),
    "false boundaries": lambda size: _MIXED + b"\n--b\n\n" + _filled(b"--b", size),
    "boundaries with tails": lambda size: _MIXED + b"\n--b\n\n" + _filled(b"\n--bx", size),
    "boundaries with blanks": lambda size: _MIXED + b"\n--b\n\n" + b"\n--b" + _filled(b" ", size),
    "nested multiparts": lambda size: _MIXED + _filled(b"\n--b\n" + _MIXED, size),
    "nested alternatives": lambda size: _filled(b"Content-Type: multipart/alternative; boundary=b\n\n--b\n", size),
    "multiparts in boundaries of their own": _counted(
        lambda number: b"Content-Type: multipart/mixed; boundary=b%06d\n\n--b%06d\n" % (number, number), 60
    ),
    "nested messages": lambda size: _filled(b"Content-Type: message/rfc822\n\n", size),
    "messages side by side": lambda size: (
        _MIXED + b"\n" + _filled(b"--b\nContent-Type: message/rfc822\n\nA: b\n\nx\n", size)
    ),
    "digests": lambda size: b"Content-Type: multipart/digest; boundary=b\n\n" + _filled(b"--b\n\nA: b\n\nx\n", size),
    "encoded multiparts": lambda size: _MIXED + _B64 + b"\n" + base64.encodebytes(_filled(b"--b\n\nx\n", size)),
    "base64 of equals signs": _body(_B64, b"="),
    "base64 of groups": _body(_B64, b"a="),
    "base64 of one letter": _body(_B64, b"a\n"),
    "base64 of no alphabet": _body(_B64, b"!"),
    "base64 of blanks": _body(_B64, b" "),
    "winmail.dat side by side": _winmails,
    "TNEF of attributes": lambda size: _tnef(*(outlook.attribute(1, 0x800C, b"a\0") for _ in range(size // 14))),
    "TNEF of attachments": lambda size: _tnef(*(outlook.attribute(2, 0x9002, b"") for _ in range(size // 11))),
    "TNEF of properties": lambda size: _tnef(
        outlook.attribute(1, 0x9003, outlook.properties(*(outlook.narrow(0x37, b"a") for _ in range(size // 16))))
    ),
    "TNEF that claims": lambda size: _tnef(
        outlook.attribute(1, 0x9003, struct.pack("<I", 0xFFFFFFFF) + b"\x1e\x10\x37\x00" + _filled(b"\0", size))
    ),
    "TNEF of zeros": lambda size: _tnef(_filled(b"\0", size)),
    "TNEF in TNEF": lambda size: _tnef(outlook.embedded("outer", _nested(size))),
    "TNEF of HTML": lambda size: _tnef(
        outlook.attribute(1, 0x9003, outlook.properties(outlook.binary(0x1013, _filled(b"<p>&", size))))
    ),
    "compressed RTF": lambda size: _tnef(
        outlook.attribute(
            1,
            0x9003,
            outlook.properties(
                outlook.binary(
                    0x1009, struct.pack("<IIII", size, 1 << 30, 0x75465A4C, 0) + _filled(b"\xff\x00\x0f", size)
                )
            ),
        )
    ),
}  # fmt: skip


def _nested(size: int) -> bytes:
    inner = outlook.stream(outlook.attribute(1, 0x800C, b"x" * max(size // 8, 1) + b"\0"))
    for _ in range(6):
        inner = outlook.stream(outlook.embedded("inner", inner))
    return inner

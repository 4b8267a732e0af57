"""Constructs of hostile mail, each a function of its size in bytes: what once was, or could be, slow or fatal.

Most are a piece that is repeated where it hurts: in a header, an address list, a body of some charset, markup, a style
sheet, rich text, TNEF, uuencode, a text to be indexed, a search. `MAIL` are whole messages; `TEXTS` are texts to split
into words and to highlight; `QUERIES` are searches, which are short by their own bound.
"""

import base64
import struct
from collections.abc import Callable
from functools import partial

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

_ADDRESS_PIECES = {
    "blanks": b" ",
    "tabs": b"\t",
    "a word and blanks": b"a               ",
    "quotes": b'"',
    "escaped quotes": b'\\"',
    "backslashes": b"\\",
    "open comments": b"(",
    "closed comments": b")",
    "nested comments": b"(()",
    "short comments": b"(a)",
    "comments with quotes": b'(")',
    "open brackets": b"<",
    "closed brackets": b">",
    "empty brackets": b"<>",
    "brackets with quotes": b'<"',
    "brackets with quoted brackets": b'<"<" ',
    "bare local parts": b"a@",
    "at signs": b"@",
    "commas": b",",
    "words and commas": b"x,",
    "unclosed brackets and commas": b"a, <b",
    "semicolons": b";",
    "colons": b":",
    "groups": b"a:;",
    "open groups": b"a:",
    "addresses": b"a@b.c,",
    "addresses without commas": b"a@b.c ",
    "named addresses": b"A <a@b.c>,",
    "names without addresses": b'"A, B" ,',
    "routes": b"<@a,@b:",
    "literals": b"@[",
    "literals with colons": b"a@[::",
    "encoded words": b"=?utf-8?q?x?= ",
    "beginnings of encoded words": b"=?utf-8?q?",
    "ends of encoded words": b"?=",
    "encoded commas": b"=?utf-8?q?=2C?=",
    "dots": b". ",
    "mailto": b"<mailto:",
    "bytes": b"\xff",
    "escapes": b"\x1b$B",
    "zero": b"\0",
    "folds": b"a,\n ",
    "marks": "é\u0301".encode(),
}

_HEADER_PIECES = {
    **{f"Subject of {name}": ("Subject", piece) for name, piece in _ADDRESS_PIECES.items() if "encoded" in name},
    "Subject of unknown charsets": ("Subject", b"=?x-none?q?x?= "),
    "Subject of damaged base64": ("Subject", b"=?utf-8?b?A?= "),
    "Subject of question marks": ("Subject", b"=?"),
    "Subject of underscores": ("Subject", b"=?utf-8?q?_____?="),
    "Subject of returns": ("X-Other", b"\r"),
    "references": ("References", b"<a@b> "),
    "open references": ("References", b"<a@b"),
    "open references in a row": ("References", b"<"),
    "list ids": ("List-Id", b"<a.b> "),
    "unsubscribe": ("List-Unsubscribe", b"<http://a>,"),
    "open unsubscribe": ("List-Unsubscribe", b"<http://a "),
    "results": ("Authentication-Results", b"a; dkim=pass (x) "),
    "open results": ("Authentication-Results", b"((("),
    "quoted results": ("Authentication-Results", b'"a'),
    "blank results": ("Authentication-Results", b" "),
    "received": ("Received", b"from a by b; "),
    "dates": ("Date", b"1 "),
    "dates of comments": ("Date", b"("),
    "dates of colons": ("Date", b"1:"),
    "dates of digits": ("Date", b"9"),
    "parameters": ("Content-Type", b";a=b"),
    "parameters of blanks": ("Content-Type", b"; "),
    "parameters of quotes": ("Content-Type", b';a="'),
    "parameters of comments": ("Content-Type", b";(a"),
    "parameters of sections": ("Content-Type", b";a*1=b"),
    "parameters of starred sections": ("Content-Type", b";a*1*=%41"),
    "parameters of backslashes": ("Content-Type", b';a="\\'),
    "slashes in a type": ("Content-Type", b"text / "),
    "names of files": ("Content-Disposition", b";filename=a"),
    "names of files of sections": ("Content-Disposition", b";filename*0=a"),
    "names of files of words": ("Content-Disposition", b'; filename="=?utf-8?q?a?="'),
    "long encodings": ("Content-Transfer-Encoding", b"x "),
    "encodings of comments": ("Content-Transfer-Encoding", b"(a)"),
    "content ids": ("Content-ID", b"<a"),
    "message ids": ("Message-ID", b"<a@b"),
    "marks of direction": ("Subject", "\u202e".encode()),
}

_CHARSET_PIECES = {
    "ISO-2022-JP escapes": ("iso-2022-jp", b"\x1b$B"),
    "ISO-2022-JP damage": ("iso-2022-jp", b"\x1b$B!\xff"),
    "ISO-2022-JP text": ("iso-2022-jp", b"\x1b$B2q5D\x1b(B"),
    "ISO-2022-JP without an end": ("iso-2022-jp", b"2q5D"),
    "ISO-2022-JP lone escapes": ("iso-2022-jp", b"\x1b"),
    "ISO-2022-JP kana": ("iso-2022-jp", b"\x1b(IC=D"),
    "ISO-2022-JP bytes": ("iso-2022-jp", b"\xb1"),
    "ISO-2022-JP lines": ("iso-2022-jp", b"\x1b$B2q\n"),
    "ISO-2022-JP Chinese": ("iso-2022-jp", b"\x1b$A;a\x1b$(C;a\x1b$(D;a"),
    "ISO-2022-KR": ("iso-2022-kr", b"\x0e;a\x0f"),
    "ISO-2022-KR shifts": ("iso-2022-kr", b"\x0e\x0f"),
    "ISO-2022-CN": ("iso-2022-cn", b"\x1b$)A\x0e;a"),
    "HZ": ("hz-gb-2312", b"~{;a~}"),
    "HZ tildes": ("hz-gb-2312", b"~"),
    "HZ open": ("hz-gb-2312", b"~{"),
    "UTF-7": ("utf-7", b"+AOk-"),
    "UTF-7 open": ("utf-7", b"+"),
    "UTF-7 damage": ("utf-7", b"+A\xff"),
    "UTF-16": ("utf-16", b"a\0"),
    "UTF-16 surrogates": ("utf-16-le", b"\0\xd8"),
    "UTF-32": ("utf-32", b"\xff"),
    "EUC-JP": ("euc-jp", b"\xb2\xf1"),
    "EUC-JP damage": ("euc-jp", b"\xb2\xf1\xff"),
    "EUC-JP odd": ("euc-jp", b"\xb2\xf1\xa4 "),
    "EUC-JP row 13": ("euc-jp", b"\xad\xa1"),
    "Shift_JIS damage": ("shift_jis", b"\x81\xff"),
    "GB 18030 damage": ("gb2312", b"\x81\x30\x81"),
    "Big5 damage": ("big5", b"\xf9\xff"),
    "EUC-KR damage": ("euc-kr", b"\xc9\xff"),
    "undeclared bytes": ("", b"\x81"),
    "undeclared zeros": ("", b"\0"),
    "undeclared escapes": ("", b"\x1b$B!!"),
    "unknown": ("x-none", b"\xe9"),
    "punycode": ("punycode", b"a-"),
    "idna": ("idna", b"xn--a."),
    "unicode-escape": ("unicode-escape", b"\\ud800"),
    "hex": ("hex", b"61"),
    "zip": ("zip", b"x"),
}

_HTML_PIECES = {
    "tags": b"<p>x",
    "open tags": b"<a ",
    "opening brackets": b"<",
    "end tags": b"</p>",
    "closed brackets": b">",
    "nested divs": b"<div>",
    "nested tables": b"<table><tr><td>",
    "nested formatting": b"<b><i>",
    "misnested formatting": b"<a><p></a>",
    "many fonts": b"<font color=red>",
    "comments": b"<!--",
    "comments that end at once": b"<!-->",
    "comments of dashes": b"<!----",
    "declarations": b"<!x",
    "sections of data": b"<![CDATA[",
    "instructions": b"<?x",
    "scripts": b"<script>",
    "scripts in comments": b"<script><!--<script>",
    "style sheets": b"<style>a{}</style>",
    "open style sheets": b"<style>",
    "titles": b"<title>",
    "text areas": b"<textarea>",
    "plain text": b"<plaintext>",
    "SVG": b"<svg><p>",
    "MathML": b"<math><mi>",
    "templates": b"<template>",
    "selects": b"<select><option>",
    "frames": b"<iframe>",
    "forms": b"<form>",
    "pre": b"<pre>\n\n",
    "ampersands": b"&",
    "ampersands and blanks": b"& ",
    "ampersands and letters": b"&a",
    "references": b"&amp;",
    "references of two": b"&NotEqualTilde;",
    "references without end": b"&notit",
    "numbers": b"&#65;",
    "open numbers": b"&#",
    "hexadecimal": b"&#x41;",
    "zeros": b"&#0;",
    "bytes of zero": b"\0",
    "tags with zeros": b"<p \0",
    "blanks": b" ",
    "lines": b"\n",
    "no-break spaces": "\u00a0".encode(),
    "equals signs": b"<p =",
    "quotes": b'<p a="',
    "mixed quotes": b"<p a='\"",
    "slashes": b"<p/",
    "links": b"<a href=http://a>x</a>",
    "pictures": b"<img src=cid:a>",
    "encoded pictures": b"<img src='cid:%61'>",
    "metas": b"<meta charset=utf-16>",
    "open metas": b"<meta ",
    "metas in comments": b"<!--<meta charset=x>",
    "inline styles": b"<p style='a:b;c:d'>",
}

_STYLES = {
    "semicolons": b";",
    "properties": b"color:red;",
    "open functions": b"color:rgb(",
    "nested functions": b"width:calc((",
    "comments": b"/*",
    "escapes": b"\\61 ",
    "brackets": b"[{(",
    "urls": b"background:url(",
    "quotes": b"'",
    "exclamations": b"color:red!important;",
    "blanks": b" ",
    "at rules": b"@x",
    "numbers": b"width:9e9;",
    "variables": b"--a:var(--a);",
}

_RTF = {
    "braces": b"{",
    "closed braces": b"}",
    "backslashes": b"\\",
    "controls": b"\\par ",
    "long controls": b"\\aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "numbers": b"\\u9999999999?",
    "surrogates": b"\\u55296?",
    "code pages": b"\\ansicpg932 \\'81",
    "unknown code pages": b"\\ansicpg12345 \\'81",
    "bytes": b"\\'e9",
    "half bytes": b"\\'",
    "skips": b"\\uc16\\u65",
    "hidden": b"{\\*\\x ",
    "wrapped HTML": b"{\\*\\htmltag <p>}",
}

_UU_PIECES = {
    "empty lines": b"\n",
    "returns": b"\r",
    "lines that promise": b"M\n",
    "damaged lines": b"M\x80\n",
    "begins": b"begin 644 x\n",
    "ends": b"end\n",
    "blanks": b" \n",
    "one line": b"M" + b"A" * 60,
    "right lines": b"#86)C\n",
}

_QP_PIECES = {
    "blanks": b" ",
    "blanks at ends": b"  \n",
    "tabs": b"\t",
    "equals signs": b"=",
    "soft breaks": b"=\n",
    "padded soft breaks": b"=   \r\n",
    "bare returns": b"=\r",
    "returns": b"\r",
    "half bytes": b"=A",
    "bytes": b"=E9",
}

_PLAIN_PIECES = {
    "quotes": b"> ",
    "nested quotes": b">>>>>>>>\n",
    "signatures": b"-- \n",
    "soft lines": b"word \n",
    "links": b"http://a/ ",
    "half links": b"http://",
    "addresses": b"a@b.c ",
    "digits": b"4111 1111 1111 1111 ",
    "blanks and digits": b"1 2-3.",
    "underscores": b"_",
    "dashes": b"-",
    "sentences": b"a. ",
    "attributions": b"On a wrote:\n",
    "froms": b"\nFrom: a\nSent: ",
    "blank lines": b" \n",
    "long words": b"x",
    "IBANs": b"DE89 3704 0044 0532 0130 00 ",
    "domains": b"a.b.",
    "at signs": b"@a.",
    "totals": b"Total: 1,000.00 ",
    "marks of direction": "\u202ea".encode(),
}

#: Texts for the words, by the piece that is repeated.
TEXTS: dict[str, str] = {
    "diacritics": "\u0301",
    "marks out of order": "\u05b0\u0591",
    "marks and joiners": "\u0591\u200d\u05b0\u034f",
    "marks of many classes": "".join(map(chr, range(0x0591, 0x05BD))),
    "Tibetan marks": "\u0f71\u0f72\u0f74",
    "letters and marks": "a\u0301\u0327",
    "dakuten": "か\u3099",
    "Hangul letters": "\u1112\u1161\u11ab",
    "Han": "会議",
    "Thai": "สวัสดี",
    "Han and Latin": "会a",
    "ligatures": "\ufdfa",
    "fractions": "½",
    "invisible": "\u200b",
    "soft hyphens": "a\u00ad",
    "one word": "x",
    "one word with an accent": "é",
    "blanks": " ",
    "lines drawn": "─",
    "smileys": "😀\ufe0f",
    "families": "👨\u200d👩\u200d👧",
    "beyond the BMP": "\U00020000",
    "signs": "!",
    "underscores": "_a",
    "Indic": "नमस्ते ",
    "Arabic": "مرحبا ",
    "private": "\ue000",
    "dots": "a.b@",
}

QUERIES: dict[str, Callable[[int], str]] = {
    "words": lambda size: "a " * size,
    "open brackets": lambda size: "(" * size,
    "pairs of brackets": lambda size: "()" * size,
    "braces": lambda size: "{a " * size,
    "minuses": lambda size: "-" * size,
    "minuses apart": lambda size: "- " * size,
    "pluses": lambda size: "+" * size,
    "quotes": lambda size: '"' * size,
    "phrases": lambda size: '"a b" ' * size,
    "one phrase": lambda size: '"' + "a " * size + '"',
    "alternatives": lambda size: "a OR " * size,
    "joints": lambda size: "OR " * size,
    "around": lambda size: "a AROUND 9 b " * size,
    "operators": lambda size: "from:a " * size,
    "open operators": lambda size: "from:" * size,
    "unknown operators": lambda size: "x: " * size,
    "colons": lambda size: ":" * size,
    "ampersands": lambda size: "& " * size,
    "marks": lambda size: "a" + "\u05b0\u0591" * size,
    "a mark": lambda size: "\u0301" * size,
    "one word": lambda size: "x" * size,
    "Han": lambda size: "会" * size,
    "dates": lambda size: "after:" + "9" * size,
    "sizes": lambda size: "larger:" + "9" * size,
    "replies": lambda size: "Re: " * size,
}


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
    **{f"From of {name}": _in_header("From", piece) for name, piece in _ADDRESS_PIECES.items()},
    **{f"To of {name}": _in_header("To", piece, b" Z <z@y.x>") for name, piece in _ADDRESS_PIECES.items()},
    **{name: _in_header(header, piece) for name, (header, piece) in _HEADER_PIECES.items()},
    **{
        f"charset: {name}": _body(
            b"Content-Type: text/plain; charset=%b\n" % declared.encode(), piece, _start_of(name)
        )
        for name, (declared, piece) in _CHARSET_PIECES.items()
    },
    **{
        f"HTML charset: {name}": _body(b"Content-Type: text/html\n", piece, b"<meta charset=%b>" % declared.encode())
        for name, (declared, piece) in _CHARSET_PIECES.items()
        if declared
    },
    **{f"HTML: {name}": _body(_HTML, piece, b"<p>findable ") for name, piece in _HTML_PIECES.items()},
    **{
        f"style: {name}": _body(_HTML, piece, b'<p style="', b'">findable') for name, piece in _STYLES.items()
    },
    **{
        f"style sheet: {name}": _body(_HTML, piece, b"<style>", b"</style>findable") for name, piece in _STYLES.items()
    },
    **{f"RTF: {name}": partial(_rich, piece) for name, piece in _RTF.items()},
    **{f"uuencode: {name}": _body(_UU, piece, b"begin 644 x\n") for name, piece in _UU_PIECES.items()},
    **{f"uuencode without begin: {name}": _body(_UU, piece) for name, piece in _UU_PIECES.items()},
    **{f"quoted-printable: {name}": _body(_QP, piece) for name, piece in _QP_PIECES.items()},
    **{f"text: {name}": _body(_PLAIN, piece, b"findable ") for name, piece in _PLAIN_PIECES.items()},
    **{
        f"flowed: {name}": _body(_PLAIN[:-1] + b"; format=flowed; delsp=yes\n", piece, b"findable\n")
        for name, piece in _PLAIN_PIECES.items()
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

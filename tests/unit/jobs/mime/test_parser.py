import base64
import hashlib
import os
from datetime import UTC, datetime

import pytest

from jobs.mime.message import MimeLimits
from jobs.mime.parser import attachment, parse

REPORT = b"\x00\x01PDF" * 50

MIXED = b"\r\n".join(
    [
        b"Message-ID: <1@example.org>",
        b"In-Reply-To: <0@example.org> (yesterday)",
        b"References: <a@x>",
        b" <b@x>",
        b"List-Id: Friends <friends.example.org>",
        b"From: =?utf-8?q?J=C3=A9r=C3=B4me?= <Jerome@Example.org>",
        b'To: "Doe, Jane" <jane@example.org>, bob@example.org',
        b"Cc: team: a@x.org, b@x.org;",
        b"Date: Tue, 3 Nov 2026 10:00:00 +0200",
        b"Subject: =?utf-8?b?w6l0?= =?utf-8?b?w6k=?= report",
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/mixed; boundary="out"',
        b"",
        b"preamble",
        b"--out",
        b'Content-Type: multipart/alternative; boundary="in"',
        b"",
        b"--in",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"caf=C3=A9 =",
        b"noir",
        b"--in",
        b"Content-Type: text/html; charset=utf-8",
        b"",
        b"<p>only in html</p>",
        b"--in--",
        b"--out",
        b"Content-Type: application/pdf",
        b"Content-Disposition: attachment; filename*0*=utf-8''r%C3%A9; filename*1=port.pdf",
        b"Content-Transfer-Encoding: base64",
        b"",
        base64.encodebytes(REPORT).replace(b"\n", b"\r\n"),
        b"--out",
        b"Content-Type: message/rfc822",
        b"",
        b"Subject: inner",
        b"Content-Type: multipart/mixed; boundary=deep",
        b"",
        b"--deep",
        b"",
        b"forwarded words",
        b"--deep",
        b"Content-Type: image/png; name=dot.png",
        b"Content-ID: <dot@x>",
        b"Content-Disposition: inline",
        b"",
        b"PNG",
        b"--deep--",
        b"--out--",
        b"",
    ]
)


def body_of(content_type: bytes, body: bytes, encoding: bytes = b"8bit") -> bytes:
    return b"From: a@b.c\nContent-Type: %b\nContent-Transfer-Encoding: %b\n\n%b" % (content_type, encoding, body)


def test_the_fields_of_a_usual_message_are_read() -> None:
    message = parse(MIXED)

    assert message.message_id_header == "<1@example.org>"
    assert message.in_reply_to == "<0@example.org>"
    assert message.references == ["<a@x>", "<b@x>"]
    assert message.list_id == "Friends <friends.example.org>"
    assert (message.from_name, message.from_address) == ("Jérôme", "jerome@example.org")
    assert message.from_ == "Jérôme <Jerome@Example.org>"
    assert message.to == ("Doe, Jane <jane@example.org>", "bob@example.org")
    assert message.cc == ("a@x.org", "b@x.org")
    assert message.subject == "été report"
    assert message.date == datetime(2026, 11, 3, 8, tzinfo=UTC)
    assert message.headers[0] == ("Message-ID", "<1@example.org>")
    assert [name for name, _ in message.headers][-1] == "Content-Type"
    assert message.defects == []


def test_of_alternatives_the_plain_text_is_kept_and_embedded_messages_follow() -> None:
    message = parse(MIXED)

    assert message.text == "café noir\n\nSubject: inner\n\nforwarded words\n\ndot.png"
    assert message.has_html


def test_attachments_are_numbered_as_imap_does() -> None:
    message = parse(MIXED)

    assert [(found.part, found.filename, found.content_type) for found in message.attachments] == [
        ("2", "réport.pdf", "application/pdf"),
        ("3", "", "message/rfc822"),
        ("3.2", "dot.png", "image/png"),
    ]
    report, _, dot = message.attachments
    assert (report.size_bytes, report.sha256) == (len(REPORT), hashlib.sha256(REPORT).digest())
    assert (dot.inline, dot.content_id, report.inline) == (True, "dot@x", False)


def test_every_listed_attachment_can_be_fetched_by_its_number() -> None:
    for listed in parse(MIXED).attachments:
        content = attachment(MIXED, listed.part)

        assert content is not None
        assert hashlib.sha256(content.content).digest() == listed.sha256
        assert content.filename
    assert attachment(MIXED, "9") is None


def test_an_embedded_message_in_an_embedded_message_has_a_number_of_its_own() -> None:
    raw = b"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nContent-Type: image/png\n\nPNG"
    found = parse(raw).attachments

    assert [item.part for item in found] == ["1", "1.1", "1.1.1"]
    content = attachment(raw, "1.1.1")
    assert content is not None
    assert content.content == b"PNG"


@pytest.mark.parametrize("kind", [b"message/rfc822", b"message/global", b"message/news"])
@pytest.mark.parametrize("encoding", [b"base64", b"BASE64 (as some do)", b"quoted-printable", b"7bit"])
def test_an_embedded_message_is_read_however_it_is_encoded(kind: bytes, encoding: bytes) -> None:
    inner = b"From: Ann <ann@x>\nSubject: inner =3D\nContent-Type: text/plain; name=a.txt\n\nwords"
    inner = base64.encodebytes(inner) if b"64" in encoding else inner
    raw = b"Content-Type: %b\nContent-Transfer-Encoding: %b\n\n%b" % (kind, encoding, inner)
    message = parse(raw)

    assert message.text.startswith("From: Ann <ann@x>\nSubject: inner =")
    assert message.text.endswith("words\n\na.txt")


def test_an_embedded_message_or_multipart_that_is_only_declared_base64_is_read_as_it_is() -> None:
    message = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nSubject: inner\n\nwords"
    multipart = b"Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n"
    parts = b"--b\n\nwords\n--b--\n"

    assert parse(message).text == "Subject: inner\n\nwords"
    assert parse(multipart + parts).text == "words"
    assert parse(multipart + base64.encodebytes(parts)).text == "words"


def test_html_alone_becomes_text_without_scripts_and_styles() -> None:
    markup = b"<style>p{}</style><p>One <b>bo</b>ld</p><script>x()</script><div>two&nbsp;&amp;\nthree<br>four</div>"
    message = parse(body_of(b"text/html", markup))

    assert message.text == "One bold\ntwo & three\nfour"
    assert message.has_html


def test_a_plain_footer_does_not_hide_the_html_before_it() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>news\n--b\n\nfooter\n--b--"

    assert parse(raw).text == "news\n\nfooter"


def test_a_named_text_part_is_both_read_and_listed() -> None:
    raw = b'Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; name="a.patch"\n\ndiff\n--b--'
    message = parse(raw)

    assert message.text == "diff"
    assert [found.filename for found in message.attachments] == ["a.patch"]


@pytest.mark.parametrize(
    ("content_type", "content", "text", "defects"),
    [
        (b"text/plain; charset=gb2312", "镕基".encode("gb18030"), "镕基", []),
        (b"text/plain; charset=iso-8859-1", b"\x93quoted\x94", "“quoted”", []),
        (b"text/plain", "größe".encode(), "größe", []),
        (b"text/plain; charset=us-ascii", "größe".encode("latin-1"), "größe", []),
        (b"text/plain; charset=klingon", "größe".encode(), "größe", ["unknown-charset:klingon"]),
        (b"text/plain; charset=utf-8", "größe".encode("cp1252"), "größe", ["wrong-charset"]),
        (b"text/plain; charset=utf-8", b"long enough " * 9 + b"\xe9", "long enough " * 9 + "\ufffd", ["wrong-charset"]),
        (b"text/plain; charset=punycode", b"abc", "abc", ["unknown-charset:punycode"]),
        (b"text/plain; charset=base64", b"abc", "abc", ["unknown-charset:base64"]),
        (b"text/plain", b"a\0b", "a\ufffdb", ["nul"]),
        (b"text/plain", b"a\r\nb\rc", "a\nb\nc", []),
        (b"nonsense", b"a", "a", ["bad-content-type"]),
    ],
)
def test_bytes_become_text_by_the_best_guess(
    content_type: bytes, content: bytes, text: str, defects: list[str]
) -> None:
    message = parse(body_of(content_type, content))

    assert message.text == text
    assert [code for code in message.defects if code != "no-date"] == defects


@pytest.mark.parametrize(
    ("encoding", "body", "text", "defect"),
    [
        (b"base64", b"aGVs\nbG8=", "hello", ""),
        (b"base64", b"aGVsbG8", "hello", "bad-base64"),
        (b"base64", b"aGV*sbG8=\n___\nlist footer", "hello", "bad-base64"),
        (b"base64", b"these are words, not base64 at all", "these are words, not base64 at all", "bad-base64"),
        (b"x-uuencode", b"begin 644 x\n%:&5L;&\\\n`\nend\n", "hello", ""),
        (b"x-uuencode", b"\xff\xff\n", "", "bad-uuencode"),
        (b"base64 (as usual)", b"aGVsbG8=", "hello", ""),
        (b"rot13", b"uryyb", "uryyb", "unknown-encoding:rot13"),
    ],
)
def test_damaged_encodings_yield_what_they_still_hold(encoding: bytes, body: bytes, text: str, defect: str) -> None:
    message = parse(body_of(b"text/plain", body, encoding))

    assert message.text == text
    assert [code for code in message.defects if code != "no-date"] == ([defect] if defect else [])


@pytest.mark.parametrize(
    ("raw", "text", "defect"),
    [
        (b"", "", "empty-message"),
        (b"\r\n\r\n", "", "empty-message"),
        (b"just words\n\nmore", "just words\n\nmore", "no-headers"),
        (b"From: a@b.c\nwords begin here\n\nmore", "words begin here\n\nmore", "header-malformed"),
        (b" folded first\nFrom: a@b.c\n\nbody", "body", "header-malformed"),
        (b"Subject: a\rContent-Type: text/plain\r\rbody", "body", "bare-cr"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\ncut off", "cut off", "unterminated-multipart"),
        (b"Content-Type: multipart/mixed; boundary=b\n\nno parts", "no parts", "missing-boundary"),
        (b"Content-Type: multipart/mixed\n\nno boundary", "no boundary", "no-boundary"),
        (b"Subject: \xe9t\xe9\n\nx", "x", "header-8bit"),
        (b"Date: yesterday\n\nx", "x", "bad-date"),
        (b"Date: Mon, 1 Jan 1900 00:00:00 +0000\n\nx", "x", "date-out-of-range"),
        (b"Date: Fri, 31 Dec 9999 23:59:59 -2300\n\nx", "x", "date-out-of-range"),
    ],
)
def test_a_damaged_message_is_read_and_its_defect_named(raw: bytes, text: str, defect: str) -> None:
    message = parse(raw)

    assert message.text == text
    assert defect in message.defects
    assert message.date is None


def test_raw_bytes_in_headers_are_read_in_the_charset_of_the_body() -> None:
    head = 'Subject: 광고\nFrom: 김 <kim@x>, "이, 박" <lee@x>\n'
    raw = head + "Content-Type: text/plain; charset=ks_c_5601-1987\n\n본문"
    korean, utf8 = parse(raw.encode("cp949")), parse(raw.encode())

    assert (korean.subject, korean.from_, korean.text) == ("광고", "김 <kim@x>", "본문")
    assert dict(korean.headers)["Subject"] == "광고"
    assert (utf8.subject, utf8.from_) == ("광고", "김 <kim@x>")


def test_a_thousand_nested_parts_are_cut_at_the_limit_and_the_words_kept() -> None:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(1000))
    message = parse(head + b"\nthe innermost words\n")

    assert "too-deep" in message.defects
    assert "the innermost words" in message.text
    assert "innermost" in parse(b"Content-Type: message/rfc822\n\n" * 1000 + b"innermost").text


def test_what_is_kept_is_bounded() -> None:
    limits = MimeLimits(headers=3, text_bytes=1024, attachments=2, parts=5, references=1, addresses=2, defects=3)
    parts = b"--b\nContent-Type: image/png\n\nx\n" * 50
    head = b"To: a@b.c, d@e.f, g@h.i\nReferences: <a@b> <c@d>\n" + b"X: y\n" * 50
    message = parse(head + b"Content-Type: multipart/mixed; boundary=b\n\n" + parts, limits)
    long = parse(b"Subject: x\n\n" + "é".encode() * 5_000, limits)

    assert (len(message.headers), len(message.attachments)) == (3, 2)
    assert (message.to, message.references) == (("a@b.c", "d@e.f"), ["<a@b>"])
    assert len(message.defects) <= 3
    assert len(long.text.encode()) <= 1024
    assert "text-cut" in long.defects


@pytest.mark.parametrize("filler", [b"\0", b"a", b"\n", b":", b"a:b\n", b"\r", b"=", b"--b\n"])
def test_twenty_megabytes_of_anything_pass(filler: bytes) -> None:
    raw = filler * (20 * 1024 * 1024 // len(filler))

    assert len(parse(raw).text.encode()) <= MimeLimits().text_bytes
    parse(b"Content-Type: multipart/mixed; boundary=b\n\n" + raw)


def test_random_bytes_pass() -> None:
    assert parse(os.urandom(200_000)).defects


def test_html_nested_without_end_is_cut_to_text_without_parsing() -> None:
    message = parse(body_of(b"text/html", b"<div>" * 100_000 + b"deep<script>no</script>"))

    assert message.text == "deep"
    assert "bad-html" in message.defects


def test_a_file_name_keeps_the_underscores_of_its_own() -> None:
    (found,) = parse(b"Content-Type: image/png; name=/_a_.png_\n\nx").attachments

    assert found.filename == "_a_.png_"


def test_a_file_name_has_no_path_and_no_direction_marks() -> None:
    raw = 'Content-Type: image/png; name="../../etc/x\u202egnp.exe"\n\nx'.encode()
    (found,) = parse(raw).attachments

    assert found.filename == ".._.._etc_x_gnp.exe"
    dots = attachment(b'Content-Type: image/png; name=".."\n\nx', "1")
    assert dots is not None
    assert dots.filename == "part-1"

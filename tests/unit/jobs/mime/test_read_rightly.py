"""What real mailers write, read as it was meant: each value here was read wrongly once."""

import base64
import encodings

import pytest

from jobs.mime import labels, parser
from jobs.mime.charset import codec, decode
from jobs.mime.defects import Defects
from jobs.mime.display import display
from jobs.mime.parser import PARSER_FAILED, attachment, parse
from tests.unit.jobs.mime import outlook


def _text(charset: str, body: bytes, more: bytes = b"") -> str:
    declared = b"; charset=" + charset.encode() if charset else b""
    return parse(b"Content-Type: text/plain" + declared + more + b"\n\n" + body).text


_JIS = b"\x1b$B2q5D$O\x1b(B\x1b$B-!\x1b(B\x1b$BF|Dx$G$9\x1b(B"


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("ISO-2022-JP", _JIS, "会議は①日程です"),
        ("", _JIS, "会議は①日程です"),
        ("us-ascii", _JIS, "会議は①日程です"),
        ("utf-8", _JIS, "会議は①日程です"),
        ("ISO-2022-JP", b"\x1b(IC=D\x1b(B a", "ﾃｽﾄ a"),
        ("ISO-2022-JP", b"\x0eC=D\x0f a", "ﾃｽﾄ a"),
        ("ISO-2022-JP", b"\xc3\xbd\xc4 a", "ﾃｽﾄ a"),
        ("ISO-2022-JP", b"\x1b$B2q\xff\xff5D\x1b(B a", "会�議 a"),
        ("ISO-2022-JP", b"\x1b$B2q\xffD5D\x1b(B a", "会�議 a"),
        ("ISO-2022-JP", b"\x1b$B2q5\xff5D\x1b(B a", "会�議 a"),
        ("ISO-2022-JP", b"\x1b$B2q5\x1b(B a", "会� a"),
        ("ISO-2022-JP", b"\x1b$B2q5D\nplain", "会議\nplain"),
        ("ISO-2022-JP", "本文です".encode("cp932"), "本文です"),
        ("ISO-2022-JP", "本文です".encode(), "本文です"),
        ("ISO-2022-KR", b"\x1b$)C\n\x0eH8@G\x0f abc", "회의 abc"),
        ("", b"\x1b$)C\n\x0eH8@G\x0f abc", "회의 abc"),
        ("HZ-GB-2312", b"a ~{;aRi~} ~~ b", "a 会议 ~ b"),
        ("HZ-GB-2312", b"~{;a\xff\xffRi~}", "会�议"),
        ("utf-7", b"Hi +ZeVnLA-!", "Hi 日本!"),
        ("utf-16", "日本 a".encode("utf-16-le"), "日本 a"),
        ("utf-16be", "日本 a".encode("utf-16-be"), "日本 a"),
        ("", "hello there".encode("utf-16-le"), "hello there"),
        ("", "\ufeffhello".encode("utf-16-be"), "hello"),
        ("utf-16", b"only ASCII after all", "only ASCII after all"),
        ("euc-jp", "会議は".encode("euc_jp") + b"\xad\xa1", "会議は①"),
        ("euc-jp", b"\xb2\xf1\xb5\xff\xa4\xcf", "会�は"),
        ("euc-jp", b"\x8e\xc3\x8e\xbd\x8f\xb0\xc1", "ﾃｽ" + b"\x8f\xb0\xc1".decode("euc_jp")),
        ("shift_jis", "会議".encode("cp932") + b"\x81\xff" + "です①".encode("cp932"), "会議�です①"),
        ("gb2312", "会议".encode("gbk") + b"\xb5\xff" + "明天".encode("gbk"), "会议�明天"),
        ("euc-kr", "회의".encode("cp949") + b"\xb5\xff" + "내일".encode("cp949"), "회의�내일"),
        ("big5", "會議".encode("big5") + b"\xb5\xff" + "明天€".encode("cp950"), "會議�明天€"),
        ("windows-874", "สวัสดี".encode("cp874"), "สวัสดี"),
        ("x-euc-jp", "見積書".encode("euc_jp"), "見積書"),
        ("iso88592", "řeč".encode("iso8859_2"), "řeč"),
        ("cp-850", "é".encode("cp850"), "é"),
        ("us_ascii", b"caf\xe9", "café"),
        ("", "привет мир".encode()[:-1], "привет ми�"),
    ],
)
def test_text_of_any_charset_is_read(charset: str, body: bytes, text: str) -> None:
    assert _text(charset, body) == text


def test_charsets_of_seven_bits_are_read_in_words_of_headers_and_names_of_files() -> None:
    jis = base64.b64encode(_JIS)
    raw = (
        b"Subject: =?ISO-2022-JP?B?" + jis + b"?=\nFrom: =?iso-2022-jp?B?" + jis + b"?= <a@b.c>\nX-Raw: " + _JIS + b"\n"
        b"Content-Type: application/pdf; name=\"=?ISO-2022-JP?B?" + jis + b"?=\"\n\nx"
    )  # fmt: skip
    message = parse(raw)

    assert message.subject == message.from_name == "会議は①日程です"
    assert dict(message.headers)["X-Raw"] == "会議は①日程です"
    assert message.attachments[0].filename == "会議は①日程です"


@pytest.mark.parametrize("label", sorted(labels._BY_LABEL))
def test_every_label_resolves_to_a_codec_that_exists(label: str) -> None:
    for spelling in (label, label.upper(), f' "{label}" '):
        name = codec(spelling)
        assert name is not None
        assert name in ("", "iso2022_cn") or "é".encode(name, "replace").decode(name, "replace")
    decode(b"a\xe9", label, Defects())


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("latin1", "cp1252"), ("ISO_8859-1:1987", "cp1252"), ("iso-8859-9", "cp1254"), ("tis-620", "cp874"),
        ("ks_c_5601-1987", "cp949"), ("x-x-big5", "big5hkscs"), ("cseucpkdfmtjapanese", "euc_jp"), ("x-sjis", "cp932"),
        ("logical", "iso8859_8"), ("csiso88596e", "iso8859_6"), ("sun_eu_greek", "iso8859_7"), ("l9", "iso8859_15"),
        ("koi8-ru", "koi8_u"), ("x-mac-ukrainian", "mac_cyrillic"), ("unicode-1-1-utf-8", "utf_8"), ("866", "cp866"),
        ("utf-16", "utf_16"), ("chinese", "gb18030"), ("dos-874", "cp874"), ("x-cp1251", "cp1251"),
        ("iso8859_1", "cp1252"), ("ISO 8859-15", "iso8859_15"), ("8859-2", "iso8859_2"), ("IBM-437", "cp437"),
        ("windows1251", "cp1251"), ("Shift-JIS", "cp932"), ("28592", "iso8859_2"), ("cp65001", "utf_8"),
        ("MS-932", "cp932"), ("win-1250", "cp1250"), ("utf_8", "utf_8"), ("klingon", None), ("punycode", None),
        ("hex", None), ("zlib", None), ("unicode-escape", None),
    ],
)  # fmt: skip
def test_a_label_means_the_superset_that_mailers_write(label: str, name: str | None) -> None:
    assert codec(label) == name


def test_unknown_charsets_are_not_remembered_by_python() -> None:
    before = len(encodings._cache)
    for number in range(500):
        parse(b"Subject: =?x-never-%d?q?a?=\nContent-Type: text/plain; charset=y-never-%d\n\n\xe9" % (number, number))

    assert len(encodings._cache) - before < 20


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"The num= \r\nber is 42, caf=C3=\t\r\n=A9 at noon\r\nnext\r\n", "The number is 42, café at noon\nnext"),
        (b"first\rsecond =\rthird\rfourth\r\nlast", "first\nsecond third\nfourth\nlast"),
        (b"a \t \nb=20 \nc=", "a\nb \nc"),
        (b"a=\r\nb = c =4 =XY", "ab = c =4 =XY"),
        (b"a\r\nb= \t", "a\nb"),
    ],
)  # fmt: skip
def test_quoted_printable_survives_its_transport(body: bytes, text: str) -> None:
    raw = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + body

    assert parse(raw).text == text


@pytest.mark.parametrize(
    "encoding", [b"quoted/printable", b"QuotedPrintable", b'"quoted-printable"', b"quoted_printable;"]
)
def test_an_encoding_is_known_by_its_letters(encoding: bytes) -> None:
    assert parse(b"Content-Transfer-Encoding: " + encoding + b"\n\ncaf=C3=A9").text == "café"


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        ("", '<meta http-equiv="Content-Type" content="text/html; charset=gb2312"><p>会议'.encode("gbk"), "会议"),
        ("", b"<META CHARSET = 'iso-2022-jp' ><p>" + _JIS, "会議は①日程です"),
        ("; charset=us-ascii", "<!-- <meta charset=x> --><meta charset=koi8-r><p>привет".encode("koi8_r"), "привет"),
        ("; charset=utf-8", "<meta charset=koi8-r><p>привет".encode(), "привет"),
        ("; charset=iso-8859-1", "\ufeff<meta charset=koi8-r><p>привет".encode(), "привет"),
        ("", "\ufeff<p>привет".encode("utf-16-le"), "привет"),
        ("", "<meta charset=utf-16><p>привет".encode(), "привет"),
        ("", "<p>привет".encode(), "привет"),
        ("", "<meta content='a; charset=\"koi8-r\"' http-equiv=Content-Type><p>привет".encode("koi8_r"), "привет"),
        ("", "<meta name=a content='charset=gbk'><meta charset=koi8-r><p>привет".encode("koi8_r"), "привет"),
        ("", "<a title='<meta charset=gbk>'></a><meta charset=koi8-r><p>привет".encode("koi8_r"), "привет"),
        ("", "<meta charset=klingon><meta charset=koi8-r><p>привет".encode("koi8_r"), "привет"),
        ("", "\n<?xml version='1.0' encoding='koi8-r'?><p>привет".encode("koi8_r"), "привет"),
        ("", "<!--><meta charset=koi8-r><p>привет".encode("koi8_r"), "привет"),
        ("; charset*=us-ascii''koi8-r", "<p>привет".encode("koi8_r"), "привет"),
    ],
)  # fmt: skip
def test_html_says_its_charset_itself(head: str, body: bytes, text: str) -> None:
    raw = b"Content-Type: text/html" + head.encode() + b"\n\n" + body

    assert parse(raw).text == text
    assert text in display(raw)


@pytest.mark.parametrize(
    ("delsp", "body", "text"),
    [
        (b"; DelSp=Yes", b"The interna \ntional te  \nam.\n\n From here.\n", "The international te am.\n\nFrom here."),
        (b"; delsp=yes", "明日の会 \n議です".encode(), "明日の会議です"),
        (b"", b"one \ntwo\nthree \n\nfour\n-- \nAnn \nLee", "one two\nthree \nfour\n-- \nAnn Lee"),
        (b"", b">> a \n>> b\n> c \nd", ">> a b\n> c \nd"),
        (b"", b"> > stuffed\n>quoted \n>more", "> > stuffed\n> quoted more"),
    ],
)  # fmt: skip
def test_soft_line_breaks_are_joined(delsp: bytes, body: bytes, text: str) -> None:
    raw = b"Content-Type: text/plain; charset=utf-8; format=Flowed" + delsp + b"\n\n" + body

    assert parse(raw).text == text
    assert text.splitlines()[0].replace(">", "&gt;") in display(raw)


@pytest.mark.parametrize("added", [b"", b"\n", b"\r\n", b"\n\r\n"])
def test_lines_that_end_as_on_the_first_macintosh_are_shown(added: bytes) -> None:
    raw = b"From: a@b.c\rContent-Type: text/plain\r\rhello\rthere\r" + added

    assert (parse(raw).text, parse(raw).from_address) == ("hello\nthere", "a@b.c")
    assert display(raw).strip("\n").startswith("<pre>hello\nthere\n")


def test_a_carriage_return_in_a_field_begins_no_field() -> None:
    message = parse(b"Subject: a\rFrom: x@y.z\r\rno\r\nFrom: a@b.c\r\n\r\nbody\r\n")

    assert (message.from_address, message.text) == ("a@b.c", "body")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="\x8e\x91\x97\xbf.pdf"', "資料.pdf"),
        (b'filename="\x95\x5c.pdf"', "表.pdf"),
        (b'filename="\x95\x5c"', "表"),
        (b"filename=\x8e\x91\x97\xbf.pdf", "資料.pdf"),
        (b'filename="\xe8\xb3\x87\xe6\x96\x99.pdf"', "資料.pdf"),
        (b'filename*0="=?UTF-8?Q?a_=F0=9F=98=81?= =?UTF-8?Q?=F0=9F=98=8"; filename*1="1.docx?="', "a 😁😁.docx"),
        (b'filename*0="=?UTF-8?B?8J+Ygf"; filename*1="CfmIE=?="', "😁😁"),
        (b'filename="=?utf-8?B?6LOH5p?= =?utf-8?B?aZLnBkZg==?="', "資料.pdf"),
        (b"filename*=utf-8''=%3Futf-8%3Fq%3Fa=3F%3F=", "a?"),
        (b"filename*0*=shift_jis''%8e%91; filename*1*=%97%bf.pdf", "資料.pdf"),
        (b'(a comment; "quoted") filename (x) = "a (1).txt" (b)', "a (1).txt"),
        (b"filename=report (1).pdf", "report (1).pdf"),
    ],
)  # fmt: skip
def test_names_of_files_are_read_in_the_charset_of_the_text(disposition: bytes, name: str) -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=r\n\n--r\nContent-Type: text/plain; charset=shift_jis\n\n"
        + "本文".encode("cp932")
        + b"\n--r\nContent-Type: application/pdf\nContent-Disposition: attachment; "
        + disposition
        + b"\n\ndata\n--r--\n"
    )
    found = attachment(raw, "2")

    assert [part.filename for part in parse(raw).attachments] == [name]
    assert found is not None and found.filename == name


def test_names_of_files_are_read_in_the_charset_that_html_declares() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=r\n\n--r\nContent-Type: text/html\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(b"<meta charset=gb2312><p>x")
        + b"\n--r\nContent-Type: application/pdf; name=" + "会议.pdf".encode("gbk") + b"\n\ndata\n--r--\n"
    )  # fmt: skip

    assert [part.filename for part in parse(raw).attachments] == ["会议.pdf"]


def test_comments_stand_anywhere_in_a_mime_field() -> None:
    raw = (
        b"Content-Type: (a) text / plain (b; (c) \\) d) ; charset (e) = (f) koi8-r (g)\n"
        b"Content-Transfer-Encoding: (h) base64 (i)\n\n" + base64.b64encode("привет".encode("koi8_r"))
    )

    assert parse(raw).text == "привет"


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        (b"<a.b@c>", b"cid:a.b@c"),
        (b"<a b@c>", b"cid:a%20b@c"), (b"<A.B@C>", b"CID:a.b@c"), (b"a%2Bb@c", b"cid:a+b@c"),
        (b"<a+b@c>", b"cid:a%2Bb%40c"), (b"<a&b@c>", b"cid:a&amp;b@c"), (b"<a@c>", b"cid:&lt;a@c&gt;"),
        (b"(x) <a@c>", b" cid:<a@c> "), (b"<a&amp;b@c>", b"cid:a&b@c"),
    ],
)  # fmt: skip
def test_a_picture_in_the_text_is_found_however_it_is_spelled(named: bytes, shown: bytes) -> None:
    raw = (
        b"Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<img src='" + shown + b"'>\n"
        b"--r\nContent-Type: image/png\nContent-ID: " + named + b"\n\nPNG\n--r--\n"
    )

    assert 'src="data:image/png;base64,UE5H"' in display(raw)


def test_a_step_that_fails_costs_its_own_fields_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a fault of the parser")

    raw = b"From: Ann <a@b.c>\nSubject: one\nDate: x\nReferences: <1@x>\n\nbody"
    whole = parse(raw)
    monkeypatch.setattr("jobs.mime.parser.dates.parse", broken)
    monkeypatch.setattr(parser, "_references", broken)

    found = parse(raw)

    assert PARSER_FAILED in found.defects
    assert (found.from_address, found.subject, found.text, found.headers) == ("a@b.c", "one", "body", whole.headers)
    assert (found.date, found.references) == (None, [])


def test_a_reference_of_thousands_of_digits_hides_nothing() -> None:
    raw = (
        b"Subject: one\nContent-Type: text/html\n\n"
        + b"<p>" * 21_000
        + b"findable &#"
        + b"1" * 5_000
        + b"; &#x"
        + b"f" * 9
    )

    message = parse(raw)

    assert message.subject == "one"
    assert message.text.startswith("findable \ufffd")
    assert set(message.defects) == {"no-date", "bad-html"}


def test_uuencode_of_nothing_costs_nothing() -> None:
    head = b"Content-Type: application/x\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n"

    assert parse(head + b"\n" * 1_000_000).attachments[0].size_bytes == 0
    assert parse(head + b"M\n" * 300_000).attachments[0].size_bytes < 700_000


def test_of_many_winmail_dat_only_some_are_opened() -> None:
    inner = base64.encodebytes(outlook.stream(outlook.attribute(1, 0x800C, b"words\0")))
    part = b"--b\nContent-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n" + inner
    message = parse(b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 60 + b"--b--\n")

    assert "too-many-parts" in message.defects
    assert len(message.attachments) == 60
    assert message.text == "words"

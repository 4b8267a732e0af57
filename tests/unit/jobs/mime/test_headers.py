import pytest

from jobs.mime import headers
from jobs.mime.defects import Defects
from jobs.mime.message import MimeLimits


def text(value: bytes) -> str:
    return headers.text(value.decode("latin-1"), Defects())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"plain", "plain"),
        (b"folded\r\n line\n\tagain", "folded line again"),
        (b"=?utf-8?b?w6k=?= =?utf-8?b?w6k=?=", "éé"),
        (b"=?utf-8?b?w6k=?=\r\n =?utf-8?q?=C3=A9_x?=", "éé x"),
        (b"=?utf-8?q?a=C3?= =?utf-8?q?=A9b?=", "aéb"),
        (b"=?utf-8?b?ww==?=\n =?UTF-8?b?qQ==?=", "é"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=E9?=", "aé"),
        (b"=?utf-8*fr?q?=C3=A9?=", "é"),
        (b"=?utf-8?q?what??=", "what?"),
        (b"=?gb2312?b?6Ek=?=", "鐸"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?klingon?q?abc?=", "abc"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        ("é".encode(), "é"),
        (b"\xe9", "é"),
        (b"a\x01b\x00c", "a b\ufffdc"),
    ],
)
def test_a_value_is_decoded(value: bytes, expected: str) -> None:
    assert text(value) == expected


def test_a_word_of_damaged_base64_is_decoded_with_a_defect() -> None:
    defects = Defects()

    assert headers.text("=?utf-8?b?aGVsbG8?=", defects) == "hello"
    assert defects.codes() == ["bad-encoded-word"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('text/plain; name="a;b.txt"', "a;b.txt"),
        ("text/plain; name=a b.txt ; x=y", "a b.txt"),
        ("text/plain; NAME*=utf-8'en'%C3%A9.txt", "é.txt"),
        ("text/plain; name*1*=%A9.txt; name*0*=utf-8''%C3", "é.txt"),
        ("text/plain; name*0=a; name*1=b", "ab"),
        ('text/plain; name="=?utf-8?q?=C3=A9=2Etxt?="', "é.txt"),
        ('text/plain; name="a\\"b"', 'a"b'),
        ('text/plain; name="unterminated', "unterminated"),
        ("text/plain", ""),
        ("text/plain;;;=;name", ""),
    ],
)
def test_a_file_name_is_found_however_it_is_written(value: str, expected: str) -> None:
    kind, parameters = headers.parameters(value)

    assert kind == "text/plain"
    assert headers.filename({}, parameters, 255, Defects()) == expected


def test_the_separator_of_an_mbox_is_no_header() -> None:
    raw = b"From a@b.c Mon Jan  1 00:00:00 2001\nSubject: x\n\nbody"
    defects = Defects()
    block = headers.split(raw, 0, len(raw), MimeLimits(), defects)

    assert block.fields == [("Subject", "x")]
    assert raw[block.body :] == b"body"
    assert defects.codes() == []


def test_of_repeated_headers_the_first_counts() -> None:
    block = headers.split(b"A: 1\nB: 2\na: 3\n\n", 0, 16, MimeLimits(), Defects())

    assert block.fields == [("A", "1"), ("B", "2"), ("a", "3")]
    assert block.first("a") == "1"
    assert block.first("c") == ""

"""serve/http/byte_ranges.py"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.responses import Response

from serve.http import byte_ranges

BYTES = bytes(range(256)) * 4


def _answer(**headers: str) -> Response:
    return byte_ranges.response(
        Headers({k.replace("_", "-"): v for k, v in headers.items()}), byte_ranges.file(BYTES, "a.bin", "x/y")
    )


async def _body(answer: Response) -> bytes:
    iterator = getattr(answer, "body_iterator", None)
    return b"".join([part async for part in iterator]) if iterator is not None else bytes(answer.body)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        ("1000-", 1000, 1024),
        ("-5", 1019, 1024),
        ("5-9999", 5, 1024),
        ("-9999", 0, 1024),
    ],
)
async def test_a_range_returns_the_requested_bytes(asked: str, start: int, end: int) -> None:
    answer = _answer(range=f"bytes={asked}")
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1024"
    assert await _body(answer) == BYTES[start:end]


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=9-3", "bytes=-0"])
def test_a_range_out_of_bounds_is_416(asked: str) -> None:
    answer = _answer(range=asked)
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1024")


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=-", "bytes=1-2,5-6", "lines=1-2", "bytes=a-b", "bytes=" + "1" * 40 + "-"]
)
async def test_a_range_that_is_not_understood_is_everything(asked: str) -> None:
    answer = _answer(range=asked)
    assert answer.status_code == 200
    assert await _body(answer) == BYTES


async def test_a_range_of_other_bytes_is_everything_and_known_bytes_are_not_sent_again() -> None:
    tag = _answer().headers["etag"]
    assert _answer(range="bytes=0-1", if_range=tag).status_code == 206
    assert _answer(range="bytes=0-1", if_range='"other"').status_code == 200
    assert _answer(if_none_match=tag).status_code == 304


@pytest.mark.parametrize(
    ("filename", "saved"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ('a"; filename="evil.exe', "a_; filename=_evil.exe"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("con.txt", "file-con.txt"),
        ("", "file"),
        ("...", "file"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("本" * 90 + ".pdf", "本" * 65 + ".pdf"),
        ("." + "本" * 90, "本" * 66),
        ("Übersicht.pdf", "Übersicht.pdf"),
    ],
)
def test_a_name_is_only_a_name(filename: str, saved: str) -> None:
    assert byte_ranges.clean_name(filename) == saved


@given(st.text(max_size=300))
def test_no_name_breaks_its_header(filename: str) -> None:
    value = byte_ranges.disposition(filename)
    assert len(byte_ranges.clean_name(filename).encode()) <= 205  # "file-" before what is not a name
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2


@pytest.mark.parametrize(
    "kind", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/javascript", "junk"]
)
def test_executable_media_types_become_octet_stream(kind: str) -> None:
    assert byte_ranges.file(b"", "x", kind).media_type == "application/octet-stream"

"""Splitting batch answers, friendly and hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.gmail.batch import BatchPart, first_content_id, split
from jobs.gmail.errors import AnswerUnreadable

TYPE = "multipart/mixed; boundary=batch_x"


def part(
    content_id: str, body: bytes = b"{}", status: int = 200, length: int | None = None, eol: bytes = b"\r\n"
) -> bytes:
    lines = [
        b"--batch_x",
        b"Content-Type: application/http",
        b"Content-ID: <response-" + content_id.encode() + b">",
        b"",
        f"HTTP/1.1 {status} Whatever".encode(),
        b"Content-Type: application/json",
        *([f"Content-Length: {length}".encode()] if length is not None else []),
        b"",
        body,
    ]
    return eol.join(lines) + eol


END = b"--batch_x--\r\n"


def ids(body: bytes, content_type: str = TYPE) -> list[str]:
    return [found.content_id for found in split(content_type, body)]


@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
@pytest.mark.parametrize("with_length", [True, False])
def test_parts_come_out_exactly_as_they_went_in(eol: bytes, with_length: bool) -> None:
    bodies = {"a": b'{"raw": "AA"}', "b": b"", "c": b"line\r\n\r\nline\r\n"}
    answer = b"".join(part(i, b, length=len(b) if with_length else None, eol=eol) for i, b in bodies.items()) + END

    assert {found.content_id: bytes(found.body) for found in split(TYPE, answer)} == bodies


def test_a_part_carries_its_own_status_and_headers() -> None:
    answer = (
        b'--batch_x\r\nContent-ID: <response-a>\r\n\r\nHTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\n{"e":1}\r\n' + END
    )

    assert list(split(TYPE, answer)) == [BatchPart("a", 429, {"retry-after": "7"}, memoryview(b'{"e":1}'))]


@pytest.mark.parametrize(
    "content_type",
    ['multipart/mixed; boundary="batch_x"', "Multipart/Mixed;  BOUNDARY=batch_x; charset=utf-8"],
)
def test_the_boundary_may_be_written_in_several_ways(content_type: str) -> None:
    assert ids(part("a") + END, content_type) == ["a"]


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed", "text/html; boundary=batch_x"])
def test_an_answer_that_is_no_multipart_is_unreadable(content_type: str) -> None:
    with pytest.raises(AnswerUnreadable):
        list(split(content_type, part("a") + END))


def test_a_wrong_boundary_yields_nothing() -> None:
    assert ids(part("a") + END, "multipart/mixed; boundary=other") == []


def test_text_before_the_first_and_after_the_last_part_is_ignored() -> None:
    assert ids(b"preamble\r\n" + part("a") + END + part("b")) == ["a"]


def test_a_delimiter_inside_a_body_is_part_of_the_body() -> None:
    body = b"x --batch_x y\r\n--batch_xyz\r\n"

    assert [bytes(found.body) for found in split(TYPE, part("a", body) + part("b") + END)] == [body, b"{}"]


def test_every_cut_keeps_the_parts_that_were_complete() -> None:
    one, two = part("a", b'{"n": 1}', length=8), part("b", b'{"n": 2}', length=8)
    answer = one + two + END

    for cut in range(len(answer)):
        found = [bytes(p.body) for p in split(TYPE, answer[:cut])]
        assert found == [b'{"n": 1}', b'{"n": 2}'][: len(found)]
        assert len(found) <= (cut > len(one)) + (cut > len(one + two))


@pytest.mark.parametrize(
    "broken",
    [
        b"--batch_x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n",
        b"--batch_x\r\nContent-ID: <other-a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n",
        b"--batch_x\r\nContent-ID: <response-a>\r\n\r\nnot http\r\n\r\n{}\r\n",
        b"--batch_x\r\nContent-ID: <response-a>\r\n\r\nHTTP/1.1 20x OK\r\n\r\n{}\r\n",
        b"--batch_x\r\nContent-ID: <response-a>\r\n\r\nHTTP/1.1\r\n\r\n{}\r\n",
        b"--batch_x\r\nContent-ID: <response-a>\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"--batch_x\r\nContent-ID: <response-a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}\r\n",
        b"--batch_x\r\n",
    ],
)
def test_a_malformed_part_is_left_out_and_the_next_one_is_read(broken: bytes) -> None:
    assert ids(broken + part("b") + END) == ["b"]


def test_the_first_id_is_known_before_its_part_is_complete() -> None:
    assert first_content_id(part("abc", b"x" * 10_000)[:600]) == "abc"
    assert first_content_id(b"--batch_x\r\nContent-ID: <response-ab") == ""


@given(st.binary(max_size=400))
def test_noise_never_raises(noise: bytes) -> None:
    for body in (noise, b"--batch_x\r\n" + noise + END, part("a")[:-20] + noise + END):
        assert all(isinstance(found, BatchPart) for found in split(TYPE, body))

"""Each limit has its defect, what is beyond it stays in the raw bytes, and the work grows with the size of the input.

Work is counted, not timed: calls of functions, Python's and C's, and bytes that the search for boundaries passes.
"""

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from jobs.mime.defects import Defects
from jobs.mime.message import MimeLimits, ParsedMessage
from jobs.mime.parser import attachment, parse
from jobs.mime.tree import TreeBuilder

_MIXED = b"Content-Type: multipart/mixed; boundary=b\n"


def _parts(count: int, part: bytes = b"Content-Type: image/png\n\nx") -> bytes:
    return b"\n" + b"".join(b"--b\n%b\n" % part for _ in range(count)) + b"--b--\n"


@pytest.mark.parametrize(
    ("raw", "limits", "defect"),
    [
        (b"Subject: x\n\n" + b"words " * 1000, MimeLimits(message_bytes=2000), "message-cut"),
        (b"Content-Type: message/rfc822\n\n" * 9 + b"x", MimeLimits(depth=5), "too-deep"),
        (_MIXED + _parts(9), MimeLimits(parts=5), "too-many-parts"),
        (b"X: " + b"y" * 2000 + b"\n\nx", MimeLimits(header_bytes=1024), "headers-cut"),
        (b"X: y\n" * 9 + b"\nx", MimeLimits(headers=5), "too-many-headers"),
        (b"X: " + b"y" * 300 + b"\n\nx", MimeLimits(value_chars=256), "header-cut"),
        (b"To: " + b"a@b.c," * 9 + b"\n\nx", MimeLimits(addresses=5), "too-many-addresses"),
        (b'To: "x, y" <a@b.c>' + b",a@b.c (d)" * 9 + b"\n\nx", MimeLimits(addresses=5), "too-many-addresses"),
        (b"References: " + b"<a@b>" * 9 + b"\n\nx", MimeLimits(references=5), "too-many-references"),
        (_MIXED + _parts(9), MimeLimits(attachments=5), "too-many-attachments"),
        (b"Content-Type: a/b; name=%b\n\nx" % (b"n" * 99), MimeLimits(name_bytes=16), "filename-cut"),
        (b"\n" + b"words " * 1000, MimeLimits(text_bytes=1024), "text-cut"),
        (b"Content-Type: text/html\n\n" + b"<p>x\n" * 1000, MimeLimits(html_bytes=1024), "text-cut"),
        (b"Content-Type: text/html\n\n" + b"<p>x\n" * 1000, MimeLimits(html_tags=100), "bad-html"),
        (b"Date: x\nSubject: \xe9\nBcc: =?utf-8?b?x?=\n\n\0", MimeLimits(defects=2), "more-defects"),
    ],
)
def test_a_limit_is_kept_and_its_defect_named(raw: bytes, limits: MimeLimits, defect: str) -> None:
    message = parse(raw, limits)

    assert defect in message.defects
    assert defect not in parse(raw).defects
    _check_sizes(message, limits)


def _check_sizes(message: ParsedMessage, limits: MimeLimits) -> None:
    assert len(message.headers) <= limits.headers
    assert all(len(value) <= limits.value_chars for _, value in message.headers)
    assert len(message.to) <= limits.addresses
    assert len(message.references) <= limits.references
    assert len(message.attachments) <= limits.attachments
    assert all(len(found.filename.encode()) <= limits.name_bytes for found in message.attachments)
    assert len(message.text.encode()) <= limits.text_bytes
    assert len(message.defects) <= limits.defects


def test_what_was_sent_to_hundreds_is_read_to_the_last_address() -> None:
    people = ", ".join(f'"Doe, Jane {index}" <jane.{index}@example.org>' for index in range(1500))
    odd = ", ".join(f"jane.{index}@example.org (Jane Doe)" for index in range(1500))

    assert parse(f"To: {people}\n\n".encode()).to[-1] == "Doe, Jane 1499 <jane.1499@example.org>"
    assert parse(f"To: {odd}\n\n".encode()).to[-1] == "Jane Doe <jane.1499@example.org>"


def test_a_part_beyond_the_limit_of_size_is_not_found() -> None:
    raw = _MIXED + b"\n--b\n\n" + b"x" * 3000 + b"\n--b\nContent-Type: image/png\n\nPNG\n--b--"

    assert attachment(raw, "2") is not None
    assert attachment(raw, "2", MimeLimits(message_bytes=2000)) is None


_HOSTILE: dict[str, Callable[[int], bytes]] = {
    "parts": lambda n: _MIXED + _parts(n),
    "parts of text": lambda n: _MIXED + _parts(n, b"\nwords"),
    "false boundaries": lambda n: _MIXED + b"\n--b\n\n" + b"--b" * n,
    "boundaries with tails": lambda n: _MIXED + b"\n--b\n\n" + b"\n--bx" * n,
    "nested multiparts": lambda n: _MIXED + (b"\n--b\n" + _MIXED) * n,
    "nested in boundaries of their own": lambda n: b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (index, index) for index in range(n)
    ),
    "nested messages": lambda n: b"Content-Type: message/rfc822\n\n" * n,
    "headers": lambda n: b"X: y\n" * n + b"\n",
    "headers without value": lambda n: b"X:\n" * n + b"\n",
    "folded lines": lambda n: b"X: y\n" + b" z\n" * n + b"\n",
    "lines that are no header": lambda n: b"X: y\nz\n" * n + b"\n",
    "carriage returns": lambda n: b"X: y\n" + b"\r" * n + b"\n",
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?q?x?=" * n + b"\n\n",
    "beginnings of encoded words": lambda n: b"Subject: " + b"=?utf-8?q?" * n + b"\n\n",
    "parameters": lambda n: b"Content-Type: a/b" + b";a=b" * n + b"\n\n",
    "sections": lambda n: b"Content-Type: a/b" + b";a*1=b" * n + b"\n\n",
    "quotes": lambda n: b"To: " + b'"a,' * n + b"\n\n",
    "comments": lambda n: b"To: " + b"(a" * n + b"\n\n",
    "references": lambda n: b"References: " + b"<a@b>" * n + b"\n\n",
    "tags": lambda n: b"Content-Type: text/html\n\n" + b"<p>x" * n,
    "tags without end": lambda n: b"Content-Type: text/html\n\n" + b"<a " * n,
    "metas": lambda n: b"Content-Type: text/html\n\n" + b"<meta charset=x a='" * n,
    "blank lines": lambda n: b"\n" * n,
    "base64": lambda n: b"Content-Transfer-Encoding: base64\n\n" + b"a=" * n,
    "uuencode": lambda n: b"Content-Transfer-Encoding: uuencode\n\nbegin 644 x\n" + b"M\n" * n,
}


@pytest.mark.parametrize("shape", _HOSTILE)
def test_twice_the_input_is_at_most_twice_the_calls(shape: str) -> None:
    small, large = (_calls(_HOSTILE[shape](count)) for count in (400, 800))

    assert large <= 2.2 * small + 200


def _calls(raw: bytes) -> int:
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    parse(raw)  # what is cached is cached
    sys.setprofile(profile)
    try:
        parse(raw)
    finally:
        sys.setprofile(None)
    return count


class _Watched(bytes):
    """Counts the bytes that `find` passes."""

    passed = 0

    def find(self, sub: bytes, start: int = 0, end: int = sys.maxsize) -> int:  # type: ignore[override]
        end = min(end, len(self))
        found = super().find(sub, start, end)
        self.passed += (found if found >= 0 else end) - start + 1
        return found


@pytest.mark.parametrize("shape", ["parts", "false boundaries", "boundaries with tails", "nested multiparts"])
@pytest.mark.parametrize("depth", [1, 10])
def test_the_search_for_boundaries_passes_each_byte_a_bounded_number_of_times(shape: str, depth: int) -> None:
    raw = _Watched(_HOSTILE[shape](5_000))
    TreeBuilder(MimeLimits(depth=depth, parts=10_000), Defects()).build(raw)

    assert raw.passed <= 3 * (depth + 1) * len(raw)

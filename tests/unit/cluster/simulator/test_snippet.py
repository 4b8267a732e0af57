"""The first words of a message."""

import pytest

from cluster.simulator.snippet import snippet


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"Subject: x\r\n\r\nHello  there,\r\n\r\nall", "Hello there, all"),
        (b"Subject: x\n\na < b & c", "a &lt; b &amp; c"),
        (b"Content-Type: text/html\n\n<head><style>p {}</style></head><p>Hi&nbsp;<b>you</b>", "Hi you"),
        (b"Content-Type: text/plain; charset=koi8-r\n\n\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
        (b"Content-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 =\n=C3=A0", "café à"),
        (b"Content-Transfer-Encoding: base64\n\nSGVs\nbG8=\n", "Hello"),
        (b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: image/png\n\nx\n--b\n\nyes\n--b--', "yes"),
        (b"Content-Type: text/plain; charset=none\n\nstill", "still"),
        (b"", ""),
        (b"Content-Type: multipart/mixed\n\nlost", ""),
        (b"Subject: without a body", ""),
    ],
)
def test_the_first_words_are_found(raw: bytes, words: str) -> None:
    assert snippet(raw) == words


def test_it_is_short_however_long_the_text() -> None:
    assert len(snippet(b"\n" + b"word " * 100_000)) <= 200

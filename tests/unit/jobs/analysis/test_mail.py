"""A message as analysers see it."""

import pickle

from jobs.analysis import bodies
from jobs.analysis.mail import Mail
from jobs.mime.parser import parse
from tests.unit.jobs.analysis.letters import letter

WITH_FILE = (
    b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\n"
    b"Content-Disposition: attachment; filename=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQ=\n--b--\n"
)


def test_headers_are_found_whatever_their_case() -> None:
    mail = Mail(parse(b"X-One: a\nx-oNE: b\n\n"))

    assert mail.header("x-one") == "a"
    assert mail.headers("x-one") == ["a", "b"]
    assert mail.header("x-two") == ""
    assert mail.headers("x-two") == []


def test_words_are_of_subject_and_body() -> None:
    assert letter("Hello, World!\n-- \nAnn", Subject="Grüße 2").words == ["grüße", "hello", "world"]


def test_words_are_bounded() -> None:
    assert len(letter("a " * 50_000).words) == bodies.MOST_WORDS


def test_the_head_of_an_attachment_is_its_decoded_bytes() -> None:
    assert Mail(parse(WITH_FILE)).heads == [b"%PDF-1.4"]
    assert Mail(parse(WITH_FILE), heads=()).heads == ()


def test_a_message_crosses_processes() -> None:
    mail = Mail(parse(WITH_FILE))
    assert mail.words == ["hello"]

    other = pickle.loads(pickle.dumps(mail))

    assert (other.message, other.heads) == (mail.message, mail.heads)

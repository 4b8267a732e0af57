"""Messages taken apart, ordinary and hard ones."""

from pathlib import Path
from typing import Any

import orjson
import pybase64
import pytest

from cluster.simulator.generator import generate
from cluster.simulator.payload import attachment, metadata, payload
from cluster.simulator.snippet import snippet
from jobs.importing.mail_files import read_mail

_HARD = Path(__file__).parents[4].parent / "shared" / "mail" / "mime_fixtures.tar.gz"


def _leaves(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [leaf for child in part["parts"] for leaf in _leaves(child)] if part.get("parts") else [part]


def _every_format(raw: bytes) -> None:
    tree = payload("1", raw)
    assert orjson.dumps([tree, metadata(raw, frozenset()), snippet(raw)])
    for leaf in _leaves(tree):
        if "attachmentId" in leaf["body"]:
            content = attachment("1", raw, leaf["body"]["attachmentId"])
            assert content is not None and len(content) == leaf["body"]["size"]


def test_parts_are_numbered_and_texts_carry_their_data() -> None:
    raw = (
        b'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary="o"\r\n\r\n--o\r\n'
        b'Content-Type: multipart/alternative; boundary="i"\r\n\r\n--i\r\n\r\nplain\r\n--i\r\n'
        b"Content-Type: text/html\r\n\r\n<p>html</p>\r\n--i--\r\n--o\r\nContent-Type: text/plain\r\n"
        b"Content-Disposition: attachment; filename=a.txt\r\n\r\nattached\r\n--o--\r\n"
    )

    tree = payload("1", raw)

    assert tree["headers"][0] == {"name": "Subject", "value": "Grüße"}
    assert [leaf["partId"] for leaf in _leaves(tree)] == ["0.0", "0.1", "1"]
    assert pybase64.urlsafe_b64decode(_leaves(tree)[0]["body"]["data"]) == b"plain"
    assert tree["parts"][1]["filename"] == "a.txt" and "data" not in tree["parts"][1]["body"]


def test_generated_and_hostile_mail_is_taken_apart() -> None:
    for mail in generate(100, 0, hostile=True):
        _every_format(mail.raw)


def test_nesting_without_end_still_gives_the_headers() -> None:
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(3000))

    assert payload("1", b"Subject: deep\r\n" + nested)["headers"][0]["value"] == "deep"


@pytest.mark.skipif(not _HARD.exists(), reason="needs the shared collection of hard MIME cases")
def test_hard_cases_are_taken_apart() -> None:
    for mail in read_mail(_HARD):
        _every_format(mail.raw)

"""Mail made for people with none at hand."""

import email
import email.policy
from collections import Counter
from email.message import EmailMessage

from cluster.simulator.generator import generate
from cluster.simulator.mailbox import SimulatedMailbox


def test_the_same_seed_writes_the_same_mail() -> None:
    assert list(generate(100, 7, hostile=False)) == list(generate(100, 7, hostile=False))
    assert list(generate(100, 7, hostile=False)) != list(generate(100, 8, hostile=False))


def test_more_mail_begins_with_the_same_mail() -> None:
    assert list(generate(50, 1, hostile=False)) == list(generate(100, 1, hostile=False))[:50]


def test_the_mail_is_varied() -> None:
    parsed = [email.message_from_bytes(mail.raw) for mail in generate(600, 0, hostile=False)]
    parts = [part for message in parsed for part in message.walk()]
    charsets = {part.get_content_charset() for part in parts}
    types = {part.get_content_type() for part in parts}
    encodings = {str(part.get("Content-Transfer-Encoding")) for part in parts}

    assert {"utf-8", "iso-8859-1", "windows-1252", "iso-2022-jp", "gb18030", "koi8-r", "euc-kr"} <= charsets
    assert {"text/plain", "text/html", "image/png", "application/pdf", "text/csv"} <= types
    assert {"7bit", "8bit", "quoted-printable", "base64"} <= encodings
    assert any("List-Unsubscribe" in message for message in parsed)


def test_ordinary_mail_is_well_formed_and_readable() -> None:
    for mail in generate(300, 3, hostile=False):
        message = email.message_from_bytes(mail.raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert not message.defects and message["Subject"] and "\ufffd" not in message["Subject"]
        for part in message.walk():
            if part.get_content_maintype() == "text":
                assert "\ufffd" not in part.get_content()


def test_replies_make_threads() -> None:
    mailbox = SimulatedMailbox("me@example.com")
    mailbox.load((mail.name, mail.raw) for mail in generate(200, 0, hostile=False))

    sizes = Counter(len(ids) for ids in mailbox.threads.values())

    assert sum(count for size, count in sizes.items() if size > 1) > 10


def test_the_hostile_ones_come_after_and_are_what_they_say() -> None:
    hostile = {mail.name: mail.raw for mail in generate(0, 0, hostile=True)}

    assert hostile["hostile/empty.eml"] == b""
    assert len(hostile["hostile/20-megabytes.eml"]) > 20_000_000
    assert b"\xff\xfe" in hostile["hostile/8bit-headers.eml"].partition(b"\r\n\r\n")[0]
    assert email.message_from_bytes(hostile["hostile/truncated-multipart.eml"]).defects

"""Real mail, read by us and by the standard library: where the two differ, ours is the better reading.

The bounds are what was counted: raw 8-bit headers, encoded words split inside a character and stateful Japanese,
which the standard library leaves undecoded; embedded messages, which it does not list as one attachment.
"""

import email
import re
import tarfile
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import pytest

from jobs.mime.parser import parse

_MAIL = Path(__file__).parents[5] / "shared" / "mail"


def _squeeze(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())


@pytest.mark.skipif(not _MAIL.is_dir(), reason="the shared mail is not here")
@pytest.mark.parametrize(
    ("archive", "messages", "differences"),
    [("enron_skilling", 4139, (0, 0, 0)), ("spamassassin", 6294, (38, 10, 8)), ("mime_fixtures", 308, (17, 3, 7))],
)
def test_real_mail_is_read_as_the_standard_library_reads_it(
    archive: str, messages: int, differences: tuple[int, int, int]
) -> None:
    read = subjects = senders = texts = 0
    with tarfile.open(_MAIL / f"{archive}.tar.gz") as members:
        for member in members:
            file = members.extractfile(member)
            if file is None:
                continue
            raw = file.read()
            read += 1
            ours = parse(raw)
            theirs = email.message_from_bytes(raw)
            subjects += _squeeze(ours.subject) != _their_subject(theirs)
            senders += ours.from_address != parseaddr(str(theirs["from"] or ""))[1].lower()
            texts += not _contains(_squeeze(ours.text), theirs)

    assert read == messages
    assert subjects <= differences[0]
    assert senders <= differences[1]
    assert texts <= differences[2]


def _their_subject(message: email.message.Message) -> str | None:
    try:
        return _squeeze(str(make_header(decode_header(message["subject"] or ""))))
    except (HeaderParseError, LookupError, UnicodeError):
        return None


def _contains(text: str, message: email.message.Message) -> bool:
    """Whether every plain ASCII text of the message is in `text`."""
    for part in message.walk():
        if part.get_content_type() != "text/plain" or part.get_content_disposition() == "attachment":
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and content.isascii():
            words = _squeeze(re.sub("\0", "\ufffd", content.decode("ascii")))
            if words not in text:
                return False
    return True

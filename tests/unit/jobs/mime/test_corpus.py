"""All of the real mail, read by us and by the standard library: every difference has a name (jobs/mime/README.md).

A difference counts as explained only if what its name claims is checked of this very message. Differences without a
name there may be none; of each of the others there are as many as were counted.
"""

import email
import hashlib
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import pytest

from jobs.mime.message import ParsedMessage
from jobs.mime.parser import parse

_MAIL = Path(__file__).parents[5] / "shared" / "mail"

_EXPLAINED: dict[str, dict[str, int]] = {
    "enron_skilling": {},
    "spamassassin": {
        "header: 8-bit": 41,
        "subject: left undecoded": 2,
        "subject: raises": 1,
        "address: none, the name is kept": 34,
        "address: as it stands there": 24,
        "address: encoded word": 8,
        "address: not one by the grammar": 3,
        "text: charset": 161,
        "text: soft line breaks": 213,
        "date: zone, comment or half of the day": 16,
        "file: name": 4,
        "file: damaged base64": 2,
        "file: the whole message, which is text": 1,
    },
    "mime_fixtures": {
        "header: 8-bit": 14,
        "header: after a line that is none": 3,
        "subject: lost blank": 2,
        "address: none, the name is kept": 1,
        "text: charset": 11,
        "text: damaged base64": 1,
        "text: soft line breaks": 1,
        "date: zone, comment or half of the day": 1,
        "address: as it stands there": 5,
        "file: name": 8,
        "limit: value_chars": 1,
        "limit: text_bytes": 1,
    },
}


@pytest.mark.slow
@pytest.mark.skipif(not _MAIL.is_dir(), reason="the shared mail is not here")
@pytest.mark.parametrize(
    ("archive", "messages"), [("enron_skilling", 4139), ("spamassassin", 6294), ("mime_fixtures", 308)]
)
def test_real_mail_is_read_as_the_standard_library_reads_it_or_better(archive: str, messages: int) -> None:
    read, unexplained = 0, []
    found: Counter[str] = Counter()
    for name, raw in _mails(archive):
        read += 1
        for what in _differences(raw):
            found[what] += 1
            if what.endswith("?"):
                unexplained.append(f"{name}: {what}")

    assert unexplained == []
    assert read == messages
    assert found == _EXPLAINED[archive]


def _mails(archive: str) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(_MAIL / f"{archive}.tar.gz") as members:
        for member in members:
            file = members.extractfile(member)
            if file is not None:
                yield member.name, file.read()


def _differences(raw: bytes) -> Iterator[str]:
    """The names of what the two read differently; one that nothing explains ends in "?"."""
    ours, theirs = parse(raw), email.message_from_bytes(raw)
    if "header-malformed" in ours.defects and len(ours.headers) > len(theirs.keys()):
        yield "header: after a line that is none"
        return
    yield from _subject(ours, theirs)
    yield from _people("from", [ours.from_] if ours.from_ else [], theirs)
    yield from _people("to", ours.to, theirs)
    if ours.date != _their_date(theirs):
        yield "date: zone, comment or half of the day" if _is_odd(str(theirs["date"])) and ours.date else "date?"
    yield from _texts(ours, theirs)
    yield from _files(ours, theirs)


def _subject(ours: ParsedMessage, theirs: Message) -> Iterator[str]:
    value = theirs["subject"] or ""
    try:
        read = _squeeze(str(make_header(decode_header(value))))
    except (HeaderParseError, LookupError, UnicodeError):
        yield "subject: raises"
        return
    if _squeeze(ours.subject) == read:
        return
    if not isinstance(value, str):
        yield "header: 8-bit"
    elif "=?" in read or "\ufffd" in read or not read.isprintable():
        yield "subject: left undecoded"
    elif _ascii(ours.subject) == _ascii(read) and _has_controls(read):
        yield "subject: Windows-1252"
    elif "".join(ours.subject.split()) == "".join(read.split()):
        yield "subject: lost blank"
    elif "header-cut" in ours.defects and read.startswith(_squeeze(ours.subject).partition("=?")[0].rstrip()):
        yield "limit: value_chars"
    else:
        yield "subject?"


def _people(name: str, shown: Sequence[str], theirs: Message) -> Iterator[str]:
    value = theirs[name] or ""
    wanted = [address.lower() for _, address in getaddresses([str(value)]) if address]
    found = [(match[1] if (match := re.search("<([^<>]*)>$", one)) else one).lower() for one in shown]
    if name == "from":
        wanted = wanted[:1]
    if found == wanted:
        return
    if not isinstance(value, str):
        yield "header: 8-bit"
    elif "=?" in value:
        yield "address: encoded word"
    elif not wanted:
        yield "address: none, the name is kept"
    elif len(found) == 1 and ("@" in found[0].partition("@")[2] or found[0].startswith("[")):
        yield "address: not one by the grammar"
    elif found and all(_packed(one) in _packed(value) for one in found):
        yield "address: as it stands there"
    else:
        yield f"{name}?"


def _packed(text: str) -> str:
    """Without white space and comments, in lower case."""
    return re.sub(r"\s+|\([^()]*\)", "", text).lower()


def _is_odd(date: str) -> bool:
    """Whether a date has what the library does not read: AM and PM, zones such as GMT+1, comments in it, no sign."""
    return bool(re.search(r"(?i)\b[ap]m\b|gmt[+-]|\(.*\).*\d|\d\d 0\d{3,4}$", date))


def _their_date(message: Message) -> datetime | None:
    try:
        moment = parsedate_to_datetime(str(message["date"]))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if 1970 <= moment.year < 2262 else None


def _texts(ours: ParsedMessage, theirs: Message) -> Iterator[str]:
    """Whether the words of every plain text are in ours."""
    text = _squeeze(ours.text)
    for part in theirs.walk():
        if part.get_content_type() != "text/plain" or part.get_content_disposition() == "attachment":
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        try:
            words = _squeeze(content.decode(part.get_content_charset("ascii"), "replace").replace("\0", "\ufffd"))
        except LookupError:
            words = _squeeze(content.decode("ascii", "replace"))
        if words in text:
            continue
        if re.search(r"format\W+flowed", str(part["content-type"]).lower()) and _letters(words) in _letters(text):
            yield "text: soft line breaks"
        elif "text-cut" in ours.defects and words.startswith(text[:1000]):
            yield "limit: text_bytes"
        elif "bad-base64" in ours.defects:
            yield "text: damaged base64"
        elif not content.isascii() and _ascii(words) in _ascii(text):
            yield "text: charset"
        else:
            yield "text?"


def _files(ours: ParsedMessage, theirs: Message) -> Iterator[str]:
    """Names and contents of everything that either takes for a file."""
    leaves = [part for part in theirs.walk() if not part.is_multipart()]
    files = [part for part in leaves if part.get_content_disposition() == "attachment" or part.get_filename()]
    wanted = Counter((_digest(part), _their_name(part)) for part in files)
    found = Counter((part.sha256, part.filename) for part in ours.attachments)
    for digest, name in wanted - found:
        if any(name == other for _, other in found):
            yield "file: damaged base64" if "bad-base64" in ours.defects else f"content of {name}?"
        elif any(digest == other for other, _ in found):
            yield "file: name"
        elif not theirs.is_multipart() and _squeeze(ours.text):
            yield "file: the whole message, which is text"
        else:
            yield f"file {name}?"


def _digest(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return hashlib.sha256(content if isinstance(content, bytes) else b"").digest()


def _their_name(part: Message) -> str:
    return part.get_filename() or ""


def _squeeze(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())


def _letters(text: str) -> str:
    return re.sub("[^A-Za-z0-9]+", "", text)


def _ascii(text: str) -> str:
    return re.sub("[^!-~]+", "", text)


def _has_controls(text: str) -> bool:
    return bool(re.search("[\x80-\x9f]", text))

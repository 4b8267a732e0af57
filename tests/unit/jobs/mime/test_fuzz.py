"""Whatever the bytes: no exception, valid text, bounded sizes, and every listed attachment can be fetched."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.mime.message import MimeLimits, ParsedMessage
from jobs.mime.parser import attachment, parse
from tests.unit.jobs.mime.test_parser import MIXED

LIMITS = MimeLimits(headers=50, text_bytes=4096, attachments=10, parts=100, depth=10)

_BROKEN = [b"\n", b"\r", b"\r\n\r\n", b"--out", b"--in--", b"\0", b"\xff\xfe", b"=?utf-8?q?", b"?=", b'"', b";", b"="]
_FIELDS = [
    b"Content-Type: message/rfc822\n\n",
    b"Content-Type: multipart/digest; boundary=in\n",
    b"Content-Transfer-Encoding: base64\n",
    b"charset=utf-16;",
    b"charset=utf-7",
    b"charset=hz",
    b"*0*=",
    b"Date: 1 Jan 99999 99:99",
    b"From: <",
]
_TOKENS = st.sampled_from([*_BROKEN, *_FIELDS])
_EDITS = st.lists(
    st.tuples(st.integers(0, len(MIXED)), st.integers(0, 60), _TOKENS | st.binary(max_size=20)), max_size=12
)


def check(raw: bytes) -> None:
    message = parse(raw, LIMITS)
    for text in _strings(message):
        text.encode("utf-8")
        assert "\0" not in text
    assert len(message.text.encode()) <= LIMITS.text_bytes
    assert len(message.headers) <= LIMITS.headers
    assert len(message.attachments) <= LIMITS.attachments
    assert message.date is None or message.date.utcoffset() is not None
    for listed in message.attachments:
        found = attachment(raw, listed.part, LIMITS)
        assert found is not None
        assert len(found.content) == listed.size_bytes


def _strings(message: ParsedMessage) -> list[str]:
    found = [message.subject, message.text, message.from_, message.from_name, message.from_address, message.list_id]
    found += [message.message_id_header, message.in_reply_to, *message.references, *message.defects]
    found += [*message.to, *message.cc, *message.bcc, *message.reply_to]
    found += [text for header in message.headers for text in header]
    for item in message.attachments:
        found += [item.part, item.filename, item.content_type, item.content_id]
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_EDITS)
def test_a_damaged_message_never_fails(edits: list[tuple[int, int, bytes]]) -> None:
    raw = MIXED
    for position, length, replacement in edits:
        raw = raw[:position] + replacement + raw[position + length :]
    check(raw)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000) | st.lists(_TOKENS, max_size=60).map(b"".join))
def test_random_bytes_never_fail(raw: bytes) -> None:
    check(raw)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([b"Subject", b"From", b"To", b"Date", b"Content-Type", b"Content-ID"]), st.binary(max_size=300))
def test_a_header_of_random_bytes_never_fails(name: bytes, value: bytes) -> None:
    check(name + b": " + value + b"\n\nbody")

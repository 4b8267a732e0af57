"""What a message of another program's is, beside its bytes: Gmail's id, thread and labels, and when it was received.

Takeout puts `X-GM-THRID` and `X-Gmail-Labels` before a message, `gbm export` a few lines more, which end with
`X-GBM-Size`; both are taken off again. A Maildir tells states by the flags of a file's name. Pure.
"""

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.header import decode_header
from email.utils import parsedate_to_datetime

from jobs.mime.parser import parse
from storage.model.message_id import from_hex
from storage.model.storable import storable, storable_id

#: Bytes of a header that are looked at.
_HEADER_BYTES = 256 << 10
#: Most labels of a message, and characters of a label's name, as Gmail's own limits.
_MOST_LABELS, _LABEL_CHARS = 500, 225
_POSTMARK_ID = re.compile(rb"From (\d{1,20})@xxx\b|From ([0-9a-f]{1,16})@gmail\b")
_POSTMARK_DATE = re.compile(
    rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?P<day>\d{1,2})"
    rb" +(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d)(?: +(?P<zone>[+-]\d{4}))? +(?P<year>(?:19|20)\d\d)"
)
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_FIELD = re.compile(rb"(X-GM-THRID|X-Gmail-Labels|X-GBM-[A-Za-z0-9]+): ?(.*?)\r?\n(?![ \t])", re.DOTALL | re.IGNORECASE)
_FLAGS = re.compile(r":2,([A-Za-z]*)$|[;!]2,([A-Za-z]*)$")
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_NEGATIVE = 1 << 63


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message to import. labels: names as the source writes them; label_ids: exact ids, of our own export.

    message_id, thread_id: Gmail's; None: unknown. received_at: None: the headers decide.
    """

    raw: bytes
    origin: str
    message_id: int | None = None
    thread_id: int | None = None
    labels: tuple[str, ...] = ()
    label_ids: tuple[str, ...] = ()
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a message is recognised by. headers: None: it has no Message-ID. id, thread: for mail without Gmail's."""

    digest: bytes
    headers: bytes | None
    message_id: int
    thread_id: int
    received_at: datetime


def of_mbox(raw: bytes, origin: str, postmark: bytes = b"", is_closed: bool = True) -> Foreign:
    """A message of an mbox: without what Takeout and `gbm export` put before it.

    Args:
        postmark: its line "From ...", which may name Gmail's id.
        is_closed: False: the file may have been cut within the message. It has no id then, so that a sync still fetches
            Gmail's message, unless a digest shows that it is whole.
    """
    fields, rest = _fields(raw)
    gmail_id = _postmark_id(postmark)
    message = Foreign(rest, origin, gmail_id if is_closed else None, received_at=_postmark_date(postmark))
    thread = fields.get("x-gm-thrid", "")
    if thread.isdigit() and len(thread) <= 20 and int(thread) < 1 << 64:
        message = replace(message, thread_id=from_hex(f"{int(thread):x}"))
    if names := fields.get("x-gmail-labels"):
        message = replace(message, labels=_names(_decoded(names)))
    exact = _of_export(message, fields)
    return exact if exact is message else replace(exact, message_id=gmail_id)


def of_file(raw: bytes, origin: str) -> Foreign:
    """A message of a file of its own; the flags of a Maildir's name say which states it has."""
    parts = origin.rsplit("/", 2)
    match = _FLAGS.search(origin)
    if len(parts) < 2 or parts[-2] not in ("cur", "new"):
        return Foreign(raw, origin)
    flags = set((match[1] or match[2] or "") if match else "")
    folder = parts[0].rsplit("/", 1)[-1].strip(".") if len(parts) == 3 else ""
    names = [name for name in (folder.replace(".", "/"),) if name] or ["Inbox"]
    states = {"S": "", "F": "Starred", "D": "Draft", "T": "Trash"}
    names += [states[flag] for flag in sorted(flags & states.keys()) if states[flag]]
    return Foreign(raw, origin, labels=tuple(names if "S" in flags else [*names, "Unread"]))


def identity(message: Foreign) -> Identity:
    """What recognises a message: its bytes, then Message-ID, sender, date and subject; the time it was received."""
    end = _end_of_header(message.raw)
    head = parse(message.raw[:end] + b"\r\n")
    digest = hashlib.sha256(message.raw).digest()
    own = head.message_id_header
    headers = header_key(own, head.from_, head.date, head.subject) if own else None
    root = next((each for each in (*head.references, head.in_reply_to, own) if each), "")
    thread = _made(hashlib.sha256(b"thread\0" + root.encode()).digest() if root else digest)
    received = message.received_at or _received(head.headers) or head.date or _FIRST
    return Identity(digest, headers, _made(digest), thread, min(max(received, _FIRST), _LAST))


def header_key(message_id: str, sender: str, date: datetime | None, subject: str) -> bytes:
    """16 bytes of what two copies of a message have in common, however they were stored."""
    parts = (message_id, sender, date.astimezone(UTC).isoformat() if date else "", subject)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()[:16]


def is_made(message_id: int) -> bool:
    """Whether an id is one of ours, for mail whose id at Gmail is unknown: Gmail's are positive."""
    return message_id < 0


def label_id(name: str) -> str:
    """An id for a label that Gmail has not defined."""
    return "Import_" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]


def _made(digest: bytes) -> int:
    return int.from_bytes(digest[:8]) % _NEGATIVE - _NEGATIVE


def _fields(raw: bytes) -> tuple[dict[str, str], bytes]:
    """The additional fields at the beginning, in lower case, and what follows them."""
    fields: dict[str, str] = {}
    position = 0
    head = raw[:_HEADER_BYTES]
    while (match := _FIELD.match(head, position)) is not None:
        name = match[1].decode("ascii").lower()
        if name in fields:
            break
        fields[name] = match[2].decode("utf-8", "replace")
        position = match.end()
    return fields, raw[position:]


def _of_export(message: Foreign, fields: dict[str, str]) -> Foreign:
    """The exact message of our own export, if its SHA-256 agrees."""
    size, digest = fields.get("x-gbm-size", ""), fields.get("x-gbm-sha256", "")
    if not size.isdigit() or len(size) > 12:
        return message
    raw = message.raw
    if len(raw) < int(size):  # the blank line that closes a message is not part of it, unless it is
        raw += b"\n" * min(2, int(size) - len(raw))
    raw = raw[: int(size)]
    if hashlib.sha256(raw).hexdigest() != digest:
        return message
    received = _iso(fields.get("x-gbm-received", ""))
    return replace(message, raw=raw, label_ids=_ids(fields.get("x-gbm-labels", "")), received_at=received)


def _ids(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
    except ValueError:
        return ()
    good = isinstance(found, list) and all(isinstance(each, str) and 0 < len(each) <= 255 for each in found)
    return tuple(map(storable_id, found[:_MOST_LABELS])) if good else ()


def _iso(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _postmark_id(postmark: bytes) -> int | None:
    match = _POSTMARK_ID.match(postmark)
    if match is None:
        return None
    number = int(match[1]) if match[1] else int(match[2], 16)
    return number if 0 < number < _NEGATIVE else None


def _postmark_date(postmark: bytes) -> datetime | None:
    match = _POSTMARK_DATE.search(postmark)
    if match is None:
        return None
    zone = (match["zone"] or b"+0000").decode()
    number = _MONTHS.index(match["month"]) + 1
    text = f"{int(match['year'])}-{number:02d}-{int(match['day']):02d}T{match['h'].decode()}:{match['m'].decode()}"
    return _iso(f"{text}:{match['s'].decode()}{zone[:3]}:{zone[3:]}")


def _decoded(value: str) -> str:
    """A header's value, with RFC 2047's encoded words read."""
    unfolded = re.sub(r"\r?\n[ \t]+", " ", value)
    try:
        parts = decode_header(unfolded)
    except ValueError:
        return unfolded
    return "".join(part if isinstance(part, str) else _text(part, charset) for part, charset in parts)


def _text(part: bytes, charset: str | None) -> str:
    try:
        return part.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):  # no charset, or one that decodes no bytes
        return part.decode("utf-8", "replace")


def _names(text: str) -> tuple[str, ...]:
    """Names parted by commas; one with a comma stands in quotation marks."""
    names = [quoted or plain.strip() for quoted, plain in re.findall(r'"([^"]*)"|([^,"]+)', storable(text))]
    return tuple(dict.fromkeys(name[:_LABEL_CHARS] for name in names if name))[:_MOST_LABELS]


def _end_of_header(raw: bytes) -> int:
    ends = [end for end in (raw.find(b"\n\n"), raw.find(b"\r\n\r\n"), raw.find(b"\r\r")) if end >= 0]
    return min(min(ends, default=len(raw)) + 2, _HEADER_BYTES)


def _received(headers: Collection[tuple[str, str]]) -> datetime | None:
    """The date of the newest Received field."""
    for name, value in headers:
        if name.lower() == "received":
            try:
                found = parsedate_to_datetime(value.rpartition(";")[2].strip())
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None

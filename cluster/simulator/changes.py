"""Calls that change a mailbox: labels on messages, trash, delete, import, insert.

What Gmail does not document was taken from reports of other tools: CHAT is refused at import ("Invalid label: CHAT"),
SENT and DRAFT are taken there but not at modify, and a threadId that the mailbox does not have is not found.
"""

import email
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pybase64

from cluster.simulator.answers import GoogleError, invalid, not_found
from cluster.simulator.call import Call
from cluster.simulator.headers import scan
from cluster.simulator.mailbox import Message, SimulatedMailbox
from jobs.importing.mail_files import MESSAGE_MAX_BYTES

Document = dict[str, Any]

_BATCH_MAX = 1000
_NEVER_IMPORTED = frozenset(("CHAT",))
_NEVER_APPLIED = frozenset(("CHAT", "SENT", "DRAFT"))
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")


def modify(call: Call) -> Document:
    message, document = call.message(), call.json()
    add, remove = _changed(call, document)
    return _brief(call.mailbox.modify(message.id, add, remove))


def batch_modify(call: Call) -> None:
    document = call.json()
    add, remove = _changed(call, document)
    for message_id in _ids(call):
        if message_id in call.mailbox.messages:
            call.mailbox.modify(message_id, add, remove)


def batch_delete(call: Call) -> None:
    for message_id in _ids(call):
        if message_id in call.mailbox.messages:
            call.mailbox.delete(message_id)


def trash(call: Call) -> Document:
    return _brief(call.mailbox.trash(call.message().id))


def untrash(call: Call) -> Document:
    return _brief(call.mailbox.untrash(call.message().id))


def delete(call: Call) -> None:
    call.mailbox.delete(call.message().id)


def import_message(call: Call) -> Document:
    return _take_in(call, "dateHeader")


def insert(call: Call) -> Document:
    return _take_in(call, "receivedTime")


def _take_in(call: Call, date_source: str) -> Document:
    document, raw = _upload(call)
    return take_in(call, document, raw, date_source)


def take_in(call: Call, document: Mapping[str, Any], raw: bytes, date_source: str) -> Document:
    """Add an uploaded message. Without a readable Date header it is dated by its arrival."""
    if len(raw) > MESSAGE_MAX_BYTES:
        raise GoogleError(413, "uploadTooLarge", "Message is too large.")
    labels = _labels(call.mailbox, document, "labelIds", _NEVER_IMPORTED)
    received = call.text("internalDateSource", date_source) == "receivedTime"
    date_ms = int(call.now * 1000) if received or scan(raw).date_ms is None else None
    thread_id = document.get("threadId")
    if thread_id is not None and thread_id not in call.mailbox.threads:
        raise not_found()
    if call.mailbox.traces_imports:
        raw = _trace(call) + raw
    return _brief(call.mailbox.add(raw, labels, date_ms, thread_id))


def _trace(call: Call) -> bytes:
    """Header fields of a delivery, as reports of other tools show them on imported mail."""
    at = format_datetime(datetime.fromtimestamp(call.now, UTC))
    received = f"by 2002:a05:0:0:0:0:0:0 with SMTP id sim{call.mailbox.history_id};\r\n        {at}"
    return f"Delivered-To: {call.mailbox.email}\r\nReceived: {received}\r\nX-Received: {received}\r\n".encode()


def _upload(call: Call) -> tuple[dict[str, Any], bytes]:
    """The message and its JSON: in one document, as media alone, or as multipart/related."""
    kind = call.content_type.partition(";")[0].strip().lower()
    if kind == "message/rfc822":
        return {}, call.body
    if kind == "multipart/related":
        return _related(call)
    document = dict(call.json())
    raw = document.get("raw")
    if not isinstance(raw, str) or not raw:
        raise invalid("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    try:
        return document, pybase64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except ValueError as exc:
        raise invalid("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed") from exc


def _related(call: Call) -> tuple[dict[str, Any], bytes]:
    boundary = email.message_from_string(f"Content-Type: {call.content_type}\n\n").get_boundary()
    # Google's own Python client ends lines with a bare newline here.
    delimiter = rb"(?:\A|\r?\n)--" + re.escape((boundary or "").encode())
    parts = re.split(delimiter, call.body, maxsplit=3) if boundary else []
    if len(parts) != 4:
        raise invalid("A multipart upload has one JSON part and one message/rfc822 part.")
    metadata, media = (_EMPTY_LINE.split(part, maxsplit=1)[-1] for part in parts[1:3])
    return dict(call._replace(body=metadata).json()), media


def _changed(call: Call, document: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    add = _labels(call.mailbox, document, "addLabelIds", _NEVER_APPLIED)
    return add, _labels(call.mailbox, document, "removeLabelIds", _NEVER_APPLIED)


def _labels(mailbox: SimulatedMailbox, document: Mapping[str, Any], name: str, refused: Collection[str]) -> list[str]:
    labels = document.get(name) or []
    if not isinstance(labels, list):
        raise invalid(f"Invalid value at '{name}'")
    for label in labels:
        if not isinstance(label, str) or not mailbox.knows_label(label) or label in refused:
            raise invalid(f"Invalid label: {label}")
    return list(labels)


def _ids(call: Call) -> list[str]:
    ids = call.json().get("ids")
    if not isinstance(ids, list) or not 0 < len(ids) <= _BATCH_MAX:
        raise invalid(f"ids: 1 to {_BATCH_MAX} message ids are required")
    return [str(message_id) for message_id in ids]


def _brief(message: Message) -> Document:
    return {"id": message.id, "threadId": message.thread_id, "labelIds": sorted(message.labels)}

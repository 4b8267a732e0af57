"""Writes mbox files (mboxrd), with Gmail's metadata in additional headers before the message.

    From ID@gmail Wed May  1 12:00:00 2024
    X-GM-THRID: 2288…                    as Google Takeout writes it: decimal; label names
    X-Gmail-Labels: INBOX,Receipts
    X-GBM-Labels: ["INBOX", "Label_1"]   exact ids, as JSON
    X-GBM-Received: 2024-05-01T12:00:00+00:00
    X-GBM-Deleted: …                     only for a message deleted in Gmail
    X-GBM-Sha256: …                      of the exact bytes
    X-GBM-Size: 1234                     always the last of the additional headers
    the message

In the message, a line of "From " after any number of ">" is prefixed with one more ">". To restore the exact bytes:
start after the line of X-GBM-Size, remove one ">" from every line that begins with ">"s and "From ", and cut after that
many bytes. The rest is the empty line that mbox requires between messages.
"""

import json
import re
from datetime import UTC
from email.header import Header
from typing import BinaryIO

from jobs.exporting.records import Source
from storage.model.results import Stored

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class MboxWriter:
    """Appends messages to an open file."""

    def __init__(self, file: BinaryIO, source: Source) -> None:
        self._file, self._source = file, source

    def add(self, message: Stored, raw: bytes) -> None:
        """Append one message."""
        received = message.received_at.astimezone(UTC)
        lines = [
            f"From {message.id}@gmail {received:%a %b} {received.day:2d} {received:%H:%M:%S} {received.year:04d}",
            f"X-GM-THRID: {message.thread_id % (1 << 64)}",
            f"X-Gmail-Labels: {self._names(message)}",
            f"X-GBM-Labels: {json.dumps(message.labels)}",
            *([f"X-GBM-Classification: {_ascii(message.classification)}"] if message.classification else ()),
            f"X-GBM-Received: {received.isoformat()}",
            *([f"X-GBM-Deleted: {message.deleted_at.isoformat()}"] if message.deleted_at else ()),
            f"X-GBM-Sha256: {message.location.sha256.hex()}",
            f"X-GBM-Size: {len(raw)}",
        ]
        self._file.write("\n".join(lines).encode() + b"\n")
        self._file.write(_FROM.sub(rb">\1", raw))
        self._file.write(b"\n" if raw.endswith(b"\n") else b"\n\n")

    def _names(self, message: Stored) -> str:
        names = [_CONTROL.sub(" ", self._source.labels.get(label, label)) for label in message.labels]
        text = ",".join(f'"{name}"' if "," in name else name for name in names)
        return Header(text, header_name="X-Gmail-Labels").encode()


def _ascii(text: str) -> str:
    """JSON text on one line of ASCII."""
    return json.dumps(json.loads(text))

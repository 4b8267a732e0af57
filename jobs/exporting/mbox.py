"""One file of mail that every mail program reads: mboxrd, with what Gmail knows in headers of our own in front.

    From ID@gmail Wed May  1 12:00:00 2024
    X-GM-THRID: 2288…                    Gmail's, as Google Takeout writes them: decimal, label names
    X-Gmail-Labels: INBOX,Receipts
    X-GBM-Labels: ["INBOX", "Label_1"]   exact ids, as JSON
    X-GBM-Received: 2024-05-01T12:00:00+00:00
    X-GBM-Deleted: …                     only of a message that Gmail has no longer
    X-GBM-Sha256: …                      of the exact bytes
    X-GBM-Size: 1234                     always the last of ours
    the message

In the message a line that begins with "From ", after any number of ">", has one more ">" in front. To get the exact
bytes back: begin after the line of X-GBM-Size, take one ">" away from each line that begins with ">"s and "From ",
and cut after that many bytes. What follows is the empty line that mbox wants between messages.
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
    """Writes messages into an open file."""

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

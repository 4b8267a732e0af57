"""Folders with one file per message, bit-exact, and `messages.jsonl`: one line of JSON per message, with its labels.

`eml`: YEAR/MONTH/ID.eml. `maildir`: cur/, new/, tmp/, as read by Dovecot, mutt and others; labels become flags (D
draft, F starred, S read, T in Trash or deleted); the other labels are only in messages.jsonl, which these programs
ignore.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import orjson

from jobs.exporting.destination import write_private
from storage.model.results import Stored

INDEX = "messages.jsonl"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FolderWriter:
    """Writes messages below a folder; `place` returns each file's path."""

    def __init__(self, root: Path, index: BinaryIO, place: Callable[[Stored], str]) -> None:
        self._root, self._index, self._place = root, index, place
        self._made: set[Path] = set()

    def add(self, message: Stored, raw: bytes) -> None:
        """Write one message. The file's modification time is when Gmail received the message."""
        name = self._place(message)
        path = self._root / name
        if path.parent not in self._made:
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._made.add(path.parent)
        write_private(path, raw)
        seconds = _seconds(message)
        os.utime(path, (seconds, seconds))
        document = {
            "id": message.id,
            "thread_id": f"{message.thread_id % (1 << 64):x}",
            "received_at": message.received_at,
            "labels": message.labels,
            "deleted_at": message.deleted_at,
            **({"classification": orjson.Fragment(message.classification)} if message.classification else {}),
            "size_bytes": message.size_bytes,
            "sha256": message.location.sha256.hex(),
            "file": name,
        }
        self._index.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))


def eml(root: Path, index: BinaryIO) -> FolderWriter:
    """Writes YEAR/MONTH/ID.eml."""
    return FolderWriter(root, index, lambda message: f"{message.received_at:%Y/%m}/{message.id}.eml")


def maildir(root: Path, index: BinaryIO) -> FolderWriter:
    """Writes cur/SECONDS.ID.gbm,S=SIZE:2,FLAGS."""
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(mode=0o700)
    return FolderWriter(root, index, _maildir_name)


def _maildir_name(message: Stored) -> str:
    return f"cur/{_seconds(message)}.{message.id}.gbm,S={message.size_bytes}:2,{flags(message)}"


def flags(message: Stored) -> str:
    """A message's labels as maildir flags, in maildir's order."""
    carried = {
        "D": "DRAFT" in message.labels,
        "F": "STARRED" in message.labels,
        "S": "UNREAD" not in message.labels,
        "T": "TRASH" in message.labels or message.deleted_at is not None,
    }
    return "".join(flag for flag, on in carried.items() if on)


def _seconds(message: Stored) -> int:
    return max(0, (message.received_at - _EPOCH).days * 86400 + (message.received_at - _EPOCH).seconds)

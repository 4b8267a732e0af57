"""Answers of Gmail about messages that could not be stored, kept as they were received until the message is stored.

`unreadable/USER/ID.json.zst` below the archive holds Gmail's JSON of the message, compressed. What was received once is
not lost if Gmail never gives it again. The suffix and the folder keep the files out of everything that reads segments.
Blocking.
"""

from collections.abc import Mapping
from typing import Any

import orjson
import pybase64
import zstandard

from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.model.message_id import to_hex

#: The folder of the archive.
FOLDER = "unreadable"
#: Bytes of an answer that is kept, at most: the largest message of Gmail's, as base64 in JSON.
MOST_BYTES = 224 << 20
_LEVEL = 3


class KeptAnswers:
    """The answers that one archive keeps."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs

    def keep(self, user_id: int, message_id: int, answer: bytes | bytearray | memoryview) -> None:
        """Keep an answer, unless a larger one about this message is kept, or it is larger than MOST_BYTES.

        Raises:
            OSError: it could not be written.
        """
        if not 0 < len(answer) <= MOST_BYTES:
            return
        before = self.read(user_id, message_id)
        if before is not None and len(before) >= len(answer):
            return
        name = _name(user_id, message_id)
        self._blobs.replace(name, [zstandard.ZstdCompressor(level=_LEVEL).compress(bytes(answer))])

    def read(self, user_id: int, message_id: int) -> bytes | None:
        """What was received; None: nothing, or a file that a crash cut short."""
        name = _name(user_id, message_id)
        try:
            packed = self._blobs.read(name, 0, self._blobs.size(name))
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_BYTES)
        except (FileMissing, FileDamaged, zstandard.ZstdError):
            return None

    def size(self, user_id: int, message_id: int) -> int | None:
        """Bytes that its file takes; None: there is none."""
        try:
            return self._blobs.size(_name(user_id, message_id))
        except FileMissing:
            return None

    def forget(self, user_id: int, message_id: int) -> None:
        """The message is stored."""
        self._blobs.delete(_name(user_id, message_id))


def as_answer(row: Mapping[str, Any]) -> bytes:
    """A fetched message (a row of schemas.FETCHED) as Gmail's JSON."""
    document = {
        "id": to_hex(row["message_id"]),
        "threadId": to_hex(row["thread_id"]),
        "historyId": str(row["history_id"]),
        "internalDate": str(round(row["received_at"].timestamp() * 1000)),
        "labelIds": row["labels"],
        "snippet": row["snippet"],
        "raw": pybase64.urlsafe_b64encode(row["raw"]).decode(),
    }
    return orjson.dumps(document)


def _name(user_id: int, message_id: int) -> str:
    return f"{FOLDER}/{int(user_id)}/{to_hex(message_id)}.json.zst"

"""Answers of Gmail about messages that could not be stored, kept as they were received until the message is stored.

`unreadable/USER/ID.json.zst` below the archive holds Gmail's JSON of the message, compressed, and then the SHA-256 of
that. What was received once is not lost if Gmail never gives it again. The suffix and the folder keep the files out of
everything that reads segments. Blocking.
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

import orjson
import pybase64
import zstandard

from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.model.message_id import to_hex

#: The folder of the archive.
FOLDER = "unreadable"
SUFFIX = ".json.zst"
#: Bytes of an answer that is kept, at most: the largest message of Gmail's, as base64 in JSON.
MOST_BYTES = 224 << 20
_LEVEL = 3
_CHUNK = 1 << 20
#: Ends each file: a skippable frame (RFC 8878) with the SHA-256 of what precedes it.
_SKIPPABLE = 0x184D2A5B
_HEADER = struct.Struct("<II")
DIGEST_BYTES = _HEADER.size + 32


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
        packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(bytes(answer))
        self._blobs.replace(name, [packed, _digest_frame(packed)])

    def read(self, user_id: int, message_id: int) -> bytes | None:
        """What was received; None: nothing, or a file that a crash cut short."""
        name = _name(user_id, message_id)
        try:
            packed = self._blobs.read(name, 0, self._blobs.size(name))
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_BYTES)
        except (FileMissing, FileDamaged, zstandard.ZstdError):
            return None

    def damage(self, name: str) -> str | None:
        """Why a file of FOLDER is not what was written; None: it is. Files of 0.2.0 and before contain no digest.

        Raises:
            FileMissing.
        """
        data = self._blobs.read(name, 0, self._blobs.size(name))
        reader = zstandard.ZstdDecompressor().decompressobj()
        left, end = MOST_BYTES, 0
        try:
            while end < len(data) and not reader.eof:
                left -= len(reader.decompress(data[end : end + _CHUNK]))
                end = min(end + _CHUNK, len(data))
                if left < 0:
                    return "it inflates to more than any answer has"
        except zstandard.ZstdError:
            return "it does not decompress"
        if not reader.eof:
            return "it ends too early"
        if end - len(reader.unused_data) == len(data):
            return None
        packed = data[:-DIGEST_BYTES]
        return None if data[len(packed) :] == _digest_frame(packed) else "it has another SHA-256"

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


def _digest_frame(packed: bytes) -> bytes:
    return _HEADER.pack(_SKIPPABLE, 32) + hashlib.sha256(packed).digest()


def _name(user_id: int, message_id: int) -> str:
    return f"{FOLDER}/{int(user_id)}/{to_hex(message_id)}{SUFFIX}"

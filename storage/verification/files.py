"""Reads files of the archive whole: their SHA-256, and every message of a raw file against its own.

Memory holds one frame (256 MiB at most, a full one is 1 MiB) or a chunk of a file, and the locations of a segment's
messages (72 bytes each).
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import zstandard

from storage.files.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.files.raw_file import RAW_INDEX, open_frame
from storage.model.records import FileDigest

OnBytes = Callable[[int], None]
"""Told of every part of a file that was read, in bytes; from several threads."""

_CHUNK = 4 << 20
#: A frame in the file is hardly larger than its mail, which `open_frame` bounds.
_MOST_FRAME_BYTES = 257 << 20
#: Messages whose locations are Python's at a time.
_ROWS = 10_000


@dataclass(slots=True)
class Damage:
    """A file that is not what was written. messages: per user, the ids of messages that cannot be read any more."""

    file: str
    reason: str
    messages: dict[int, list[int]] = field(default_factory=dict)


def digest_of(blobs: LocalBlobs, name: str, on_bytes: OnBytes) -> FileDigest:
    """Read a file whole.

    Raises:
        FileMissing, FileDamaged: it cannot be read.
    """
    with _Reading(blobs, name, on_bytes) as reading:
        reading.skip_to(reading.size_bytes)
        return reading.digest()


def read_raw(
    blobs: LocalBlobs, name: str, keys: pa.Table, on_bytes: OnBytes
) -> tuple[FileDigest, dict[int, list[int]]]:
    """Read a raw file whole, and compare every message with its SHA-256.

    Args:
        keys: RAW_INDEX, in any order.

    Returns:
        The file's digest, and per user the ids of the messages whose bytes are not what was stored.

    Raises:
        FileMissing, FileDamaged: it cannot be read.
    """
    lost: dict[int, list[int]] = {}
    with _Reading(blobs, name, on_bytes) as reading:
        mail, place = memoryview(b""), None
        for user_id, message_id, frame_offset, frame_bytes, raw_offset, size_bytes, sha256 in _rows(keys):
            if place != (frame_offset, frame_bytes):
                place = (frame_offset, frame_bytes)
                mail = memoryview(reading.frame(frame_offset, frame_bytes))
            within = 0 <= raw_offset <= raw_offset + size_bytes <= len(mail)
            if not within or hashlib.sha256(mail[raw_offset : raw_offset + size_bytes]).digest() != sha256:
                lost.setdefault(user_id, []).append(message_id)
        reading.skip_to(reading.size_bytes)
        return reading.digest(), lost


def _rows(keys: pa.Table) -> Iterator[tuple[int, int, int, int, int, int, bytes]]:
    """The messages in the order of the file."""
    keys = keys.select(RAW_INDEX.names).sort_by([("frame_offset", "ascending"), ("raw_offset", "ascending")])
    for batch in keys.to_batches(max_chunksize=_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


class _Reading:
    """A file that is read once from its beginning to its end, and hashed."""

    def __init__(self, blobs: LocalBlobs, name: str, on_bytes: OnBytes) -> None:
        self._name, self._on_bytes, self._position = name, on_bytes, 0
        self.size_bytes = blobs.size(name)
        self._sha256 = hashlib.sha256()
        try:
            self._file = Path(blobs.location(name)).open("rb", buffering=0)  # noqa: SIM115 - closed by __exit__
        except FileNotFoundError as exc:
            raise FileMissing(name, "it is missing") from exc

    def __enter__(self) -> "_Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def digest(self) -> FileDigest:
        """Of everything that was read."""
        return FileDigest(self._name, self._position, self._sha256.digest())

    def skip_to(self, offset: int) -> None:
        """Read up to an offset, for the digest alone."""
        while self._position < offset:
            self._take(min(_CHUNK, offset - self._position))

    def frame(self, offset: int, size_bytes: int) -> bytes:
        """The mail of a frame at this offset or later than the last one; nothing where it is damaged."""
        possible = 0 < size_bytes <= _MOST_FRAME_BYTES and offset + size_bytes <= self.size_bytes
        if not possible or offset < self._position:
            return b""
        self.skip_to(offset)
        data = self._take(size_bytes)
        try:
            return open_frame(self._name, data, offset)
        except (FileDamaged, zstandard.ZstdError, MemoryError):
            return b""

    def _take(self, size_bytes: int) -> bytes:
        try:
            data = os.pread(self._file.fileno(), size_bytes, self._position)
        except OSError as exc:
            raise FileDamaged(self._name, f"byte {self._position} and what follows cannot be read") from exc
        if len(data) != size_bytes:
            raise FileDamaged(self._name, f"it ends before byte {self._position + size_bytes}")
        self._sha256.update(data)
        self._position += size_bytes
        self._on_bytes(size_bytes)
        return data

"""Reads the exact bytes of many messages; each frame of a raw file is read and decompressed once for its neighbours.

For callers that read mail in order of date, as segments are sorted. Not thread-safe; blocking.
"""

from cachetools import LRUCache

from storage.files.blobs import LocalBlobs
from storage.files.raw_file import cut, open_frame
from storage.model.results import Stored
from storage.segments.file_names import RAW_SUFFIX

#: Limit of cached frames, in decompressed bytes: 32 frames of 1 MiB, so that many segments may overlap in time.
_KEPT_BYTES = 32 << 20


class Frames:
    """Reads messages. A frame larger than the limit, which holds one large message, is not cached."""

    def __init__(self, blobs: LocalBlobs, kept_bytes: int = _KEPT_BYTES) -> None:
        self._blobs = blobs
        self._kept: LRUCache[tuple[str, int], bytes] = LRUCache(kept_bytes, getsizeof=len)

    def raw(self, message: Stored) -> bytes:
        """The exact bytes of a message, verified against its SHA-256.

        Raises:
            FileDamaged.
        """
        name, location = message.segment + RAW_SUFFIX, message.location
        key = (name, location.frame_offset)
        frame = self._kept.get(key)
        if frame is None:
            packed = self._blobs.read(name, location.frame_offset, location.frame_bytes)
            frame = open_frame(name, packed, location.frame_offset)
            if len(frame) <= self._kept.maxsize:
                self._kept[key] = frame
        return cut(name, frame, location)

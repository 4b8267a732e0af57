"""Reads the exact bytes of messages; each frame of a raw file is read and decompressed once for its neighbours.

Messages that are close in time share a frame, as segments are sorted by date. A frame is cached under the unique name
of its file and never changes; a message is cut out of it by the location in its owner's row, and its SHA-256 is
verified every time. Thread-safe; blocking.
"""

from storage.files.blobs import LocalBlobs
from storage.files.bounded_cache import BoundedCache
from storage.files.raw_file import cut, open_frame
from storage.model.location import Location
from storage.model.results import Stored
from storage.segments.file_names import RAW_SUFFIX

#: Limit of cached frames, in decompressed bytes: 32 frames of 1 MiB, so that many segments may overlap in time.
_KEPT_BYTES = 32 << 20


class Frames:
    """Reads messages. A frame larger than the limit, which holds one large message, is not cached."""

    def __init__(self, blobs: LocalBlobs, kept_bytes: int = _KEPT_BYTES) -> None:
        self._blobs = blobs
        self._kept: BoundedCache[tuple[str, int], bytes] = BoundedCache(kept_bytes, len)

    def raw(self, message: Stored) -> bytes:
        """The exact bytes of a message, verified against its SHA-256.

        Raises:
            FileDamaged.
        """
        return self.at(message.segment, message.location)

    def at(self, segment: str, location: Location) -> bytes:
        """The same, by location. Raises as `raw`."""
        name = segment + RAW_SUFFIX
        key = (name, location.frame_offset)
        frame = self._kept.get(key)
        if frame is None:
            packed = self._blobs.read(name, location.frame_offset, location.frame_bytes)
            frame = open_frame(name, packed, location.frame_offset)
            self._kept.keep(key, frame)
        return cut(name, frame, location)

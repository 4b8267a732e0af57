"""The raw file of a segment: the exact bytes of its messages, in checksummed zstd frames, with an index.

    zstd frame, zstd frame, ...            the messages back to back: `zstd -dc FILE` prints all of them
    skippable frame                        the index: an Arrow IPC stream (RAW_INDEX), zstd-compressed
    skippable frame, 16 bytes of payload   the index frame's offset (u64, little endian) and "GBMRAW01"

Every zstd decoder ignores skippable frames (RFC 8878, 3.1.2), so the file stays plain zstd. A message lies in one
frame; a message larger than the frame size has a frame of its own.
"""

import hashlib
import struct
from collections.abc import Callable

import pyarrow as pa
import zstandard

from storage.files.blobs import FileDamaged
from storage.files.declared_sizes import read_stream
from storage.files.file_format import magic, number_of_magic, require_known
from storage.model.location import Location

RAW_INDEX = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("frame_offset", pa.int64(), nullable=False),
        pa.field("frame_bytes", pa.int32(), nullable=False),
        pa.field("raw_offset", pa.int32(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
    ]
)

_SKIPPABLE = 0x184D2A5B  # RFC 8878 allows 0x184D2A50 to ..5F
_HEADER = struct.Struct("<II")
_FOOTER = struct.Struct("<Q8s")
_PREFIX = b"GBMRAW"
#: Frames that declare a larger size are rejected: Gmail's largest message is 150 MB.
_FRAME_LIMIT = 256 << 20


class RawWriter:
    """Packs messages into frames. `locations` is in the order of `add`, complete after `flush`."""

    def __init__(self, frame_bytes: int, zstd_level: int, offset: int = 0) -> None:
        """`offset`: position in the file of the first frame."""
        self._frame_bytes = frame_bytes
        self._compressor = zstandard.ZstdCompressor(level=zstd_level, write_checksum=True, write_content_size=True)
        self._pending: list[tuple[int, int, bytes]] = []  # offset in frame, size, sha256
        self._buffer = bytearray()
        self._chunks: list[bytes] = []
        self._keys: list[tuple[int, int]] = []
        self.offset = offset
        self.locations: list[Location] = []

    def add(self, user_id: int, message_id: int, raw: bytes | memoryview, sha256: bytes | None = None) -> None:
        """Append one message. `sha256`: the digest, when the caller already has it."""
        if self._buffer and len(self._buffer) + len(raw) > self._frame_bytes:
            self.flush()
        self._keys.append((user_id, message_id))
        self._pending.append((len(self._buffer), len(raw), sha256 or hashlib.sha256(raw).digest()))
        self._buffer += raw

    def flush(self) -> None:
        """Close the current frame."""
        if not self._pending:
            return
        frame = self._compressor.compress(bytes(self._buffer))
        self.locations += [
            Location(self.offset, len(frame), raw_offset, size, digest) for raw_offset, size, digest in self._pending
        ]
        self._chunks.append(frame)
        self.offset += len(frame)
        self._buffer.clear()
        self._pending.clear()

    def drain(self) -> list[bytes]:
        """Return the frames closed since the last `drain` and release them."""
        chunks, self._chunks = self._chunks, []
        return chunks

    def finish(self) -> list[bytes]:
        """Close the last frame and append the index; return every chunk not yet drained."""
        self.flush()
        index = pa.table(
            [
                pa.array([key[0] for key in self._keys], pa.int64()),
                pa.array([key[1] for key in self._keys], pa.int64()),
                *(
                    pa.array([getattr(location, name) for location in self.locations], RAW_INDEX.field(name).type)
                    for name in RAW_INDEX.names[2:]
                ),
            ],
            schema=RAW_INDEX,
        )
        return [*self.drain(), *ending(index, self.offset)]


def ending(index: pa.Table, offset: int) -> list[bytes]:
    """The end of a raw file, after its frames: the index and the footer.

    Args:
        index: RAW_INDEX.
        offset: where the frames end, in bytes.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, RAW_INDEX) as stream:
        stream.write_table(index)
    packed = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(sink.getvalue())
    return [
        *(_HEADER.pack(_SKIPPABLE, len(packed)), packed),
        *(_HEADER.pack(_SKIPPABLE, _FOOTER.size), _FOOTER.pack(offset, magic("raw", _PREFIX))),
    ]


def open_frame(name: str, frame: bytes | memoryview, offset: int) -> bytes:
    """Decompress one frame and verify its checksum; return its messages back to back.

    Args:
        name: the file's name, for the error.
        offset: the frame's offset in the file, for the error.

    Raises:
        FileDamaged: the frame is corrupt.
    """
    try:
        if zstandard.frame_content_size(frame) > _FRAME_LIMIT:
            raise FileDamaged(name, f"the frame at {offset} claims an impossible size")
        return zstandard.ZstdDecompressor().decompress(frame)
    except zstandard.ZstdError as exc:
        raise FileDamaged(name, f"the frame at {offset} does not decompress") from exc


def unpack(name: str, frame: bytes, location: Location) -> bytes:
    """Extract one message from its compressed frame and verify its SHA-256.

    Args:
        name: the file's name, for the error.

    Raises:
        FileDamaged: the frame or the message is corrupt.
    """
    return cut(name, open_frame(name, frame, location.frame_offset), location)


def cut(name: str, data: bytes, location: Location) -> bytes:
    """Extract one message from a decompressed frame and verify its SHA-256. Raises as `unpack`."""
    raw = data[location.raw_offset : location.raw_offset + location.size_bytes]
    if hashlib.sha256(raw).digest() != location.sha256:
        raise FileDamaged(name, f"a message in the frame at {location.frame_offset} has another SHA-256")
    return raw


def read_ending(name: str, size_bytes: int, read: Callable[[int, int], bytes]) -> tuple[pa.Table, int]:
    """Read the index of a raw file (RAW_INDEX) and the offset at which its frames end, from the file alone.

    Args:
        read: returns `size` bytes from `offset` of the file.

    Raises:
        FileDamaged: the file is truncated, or not a raw file.
    """
    tail = _HEADER.size + _FOOTER.size
    if size_bytes < tail:
        raise FileDamaged(name, "it is too short")
    offset, ending = _FOOTER.unpack(read(size_bytes - _FOOTER.size, _FOOTER.size))
    number = number_of_magic(ending, _PREFIX)
    if number is None or offset > size_bytes - tail - _HEADER.size:
        raise FileDamaged(name, "it does not end as a raw file does")
    require_known(name, "raw", number)
    kind, length = _HEADER.unpack(read(offset, _HEADER.size))
    if kind != _SKIPPABLE or offset + _HEADER.size + length + tail != size_bytes:
        raise FileDamaged(name, "its index is not where its footer says")
    packed = read(offset + _HEADER.size, length)
    try:
        if zstandard.frame_content_size(packed) > _FRAME_LIMIT:
            raise FileDamaged(name, "its index claims an impossible size")
        index = read_stream(zstandard.ZstdDecompressor().decompress(packed))
    except (zstandard.ZstdError, pa.ArrowException, OSError, ValueError) as exc:
        raise FileDamaged(name, "its index does not decompress") from exc
    if index.schema != RAW_INDEX:
        raise FileDamaged(name, "its index has other columns")
    return index, offset

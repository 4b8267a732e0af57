"""Where the exact bytes of a message lie in a raw file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """Position of one message in a raw file. Offsets and sizes are in bytes."""

    frame_offset: int
    frame_bytes: int
    raw_offset: int
    size_bytes: int
    sha256: bytes

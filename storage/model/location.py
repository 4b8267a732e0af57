"""Where the exact bytes of a message lie in a raw file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """Where one message lies in a raw file."""

    frame_offset: int
    frame_bytes: int
    raw_offset: int
    size_bytes: int
    sha256: bytes

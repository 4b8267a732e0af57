"""Repairs damaged files from another copy of the archive, as far as their recorded SHA-256 proves the copy right."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from storage.catalog.file_digests import recorded_digests
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.verification.files import digest_of

_CHUNK = 4 << 20


def repaired(engine: Engine, blobs: LocalBlobs, copy: LocalBlobs, names: Sequence[str]) -> Iterator[str]:
    """Replace files by those of the copy that have the recorded SHA-256; the names of the replaced ones.

    A damaged file stays until its replacement is written and synced. What has no recorded SHA-256 is left alone.
    """
    for name, recorded in recorded_digests(engine, names).items():
        try:
            found = digest_of(copy, name, lambda _: None)
            if found.sha256 != recorded.sha256:
                continue
            blobs.replace(name, _chunks(copy, name, recorded.size_bytes))
        except FileDamaged:  # the copy lacks it, or changed while it was read
            continue
        yield name


def _chunks(copy: LocalBlobs, name: str, size_bytes: int) -> Iterator[bytes]:
    for start in range(0, size_bytes, _CHUNK):
        yield copy.read(name, start, min(_CHUNK, size_bytes - start))

"""Merges segments of a shard into one, at the lowest priority. Commits nothing; deletes its files when it fails."""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa

from storage.config import ArchiveConfig
from storage.files.blobs import ArchiveUnusable, LocalBlobs, open_blobs
from storage.model.records import Merged
from storage.segments.file_names import SUFFIXES
from storage.segments.merge.merge import merge

T = TypeVar("T")

#: Nice value of a merge: next to a thread of normal priority it gets about a tenth of a core.
_NICE = 10


def compact(
    archive: ArchiveConfig, shard_id: int, epoch: int, segments: Mapping[str, str | None]
) -> tuple[Merged, pa.Table]:
    """Merge segments, as storage.segments.merge.merge.merge does.

    Args:
        segments: name -> name of its analysis file, if any.

    Raises:
        ArchiveFull: without the reserve, the disk has no room for what the segments are merged into.
        ArchiveUnusable: the archive does not exist or is not writable.
    """
    analyses = {name: file for name, file in segments.items() if file is not None}
    try:
        blobs = open_blobs(archive.uri)
        blobs.require_room(archive.reserve_bytes, _size_bytes(blobs, segments))
        return merge(blobs, archive, shard_id, epoch, list(segments), analyses)
    except OSError as exc:
        raise ArchiveUnusable(archive.uri, exc.strerror or str(exc)) from exc


def _size_bytes(blobs: LocalBlobs, segments: Mapping[str, str | None]) -> int:
    """Bytes of the segments' files: they stay until the merged ones are committed. A missing file counts nothing."""
    names = {f"{name}{suffix}" for name in segments for suffix in SUFFIXES}
    names.update(file for file in segments.values() if file is not None)
    folders = {name.rpartition("/")[0] for name in names}
    return sum(blob.size_bytes for folder in folders for blob in blobs.list(folder) if blob.name in names)


def run_low_priority(work: Callable[[], T]) -> T:
    """Run `work` in a new thread of the lowest priority.

    A process cannot raise its priority again, and this one has other work to do later; on Linux, threads have their
    own.
    """
    with ThreadPoolExecutor(1, "run_low_priority", _give_way) as thread:
        return thread.submit(work).result()


def _give_way() -> None:
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))

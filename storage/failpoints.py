"""Named moments of writing, committing, compacting, sweeping and moving at which a crash would hurt the most.

Tests end the process there (`watching`); otherwise passing a point costs one comparison.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class FailPoint(StrEnum):
    """Each is passed right after what it names, and before what comes next."""

    FILE_BEGUN = "file begun"  # the first bytes of a file are written, nothing is synced
    FILE_WRITTEN = "file written"  # all bytes are, nothing is synced
    FILE_SYNCED = "file synced"  # the file is on the disk, its folder's entry perhaps not
    SEGMENT_RAW = "segment raw"
    SEGMENT_PARQUET = "segment parquet"
    SEGMENT_WRITTEN = "segment written"
    ANALYSIS_WRITTEN = "analysis written"  # a file of columns is on the disk, and named nowhere
    COMMIT_RECORDED = "commit recorded"
    COMMIT_INDEXED = "commit indexed"
    COMMIT_FOLDED = "commit folded"  # the last statement before COMMIT
    COMMIT_DONE = "commit done"
    MERGE_READ = "merge read"  # what is to be merged was read and found in order
    MERGE_FILE = "merge file"  # one of the merged files is on the disk
    MERGE_WRITTEN = "merge written"
    COMPACTION_RECORDED = "compaction recorded"
    COMPACTION_MOVED = "compaction moved"
    COMPACTION_RETIRED = "compaction retired"  # the last statement before COMMIT
    COMPACTION_DONE = "compaction done"
    ANALYSIS_REPLACED = "analysis replaced"  # the last statement before COMMIT
    SWEEP_DELETED = "sweep deleted"  # one file
    SWEEP_FORGOTTEN = "sweep forgotten"
    MOVE_COPIED = "move copied"
    MOVE_CAUGHT_UP = "move caught up"
    MOVE_FENCED = "move fenced"
    MOVE_PROVEN = "move proven"
    MOVE_SWITCHED = "move switched"  # the map names the target; the source's lease is still locked
    MOVE_LEFT = "move left"
    MOVE_OPENED = "move opened"
    MOVE_CLEANED = "move cleaned"  # the rows of a former copy are gone, the record of it is not


_watch: Callable[[FailPoint], None] | None = None


def hit(point: FailPoint) -> None:
    """Tell whoever watches."""
    if _watch is not None:
        _watch(point)


@contextmanager
def watching(watch: Callable[[FailPoint], None]) -> Iterator[None]:
    """Have every point of this process told until the block ends."""
    global _watch
    _watch = watch
    try:
        yield
    finally:
        _watch = None

"""Named points of writing, committing, compacting, garbage collection and moving at which a crash is most harmful.

Tests end the process at them (`watching`); otherwise a point costs one comparison.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class FailPoint(StrEnum):
    """Each point is hit right after the step that it names."""

    FILE_BEGUN = "file begun"  # the first bytes of a file are written, not synced
    FILE_WRITTEN = "file written"  # all bytes are written, not synced
    FILE_SYNCED = "file synced"  # the file is synced, its folder's entry perhaps not
    SEGMENT_RAW = "segment raw"
    SEGMENT_PARQUET = "segment parquet"
    SEGMENT_WRITTEN = "segment written"
    ANALYSIS_WRITTEN = "analysis written"  # an analysis file is synced, not committed
    COMMIT_RECORDED = "commit recorded"
    COMMIT_INDEXED = "commit indexed"
    COMMIT_FOLDED = "commit folded"  # the last statement before COMMIT
    COMMIT_DONE = "commit done"
    MERGE_READ = "merge read"  # the source segments were read and verified
    MERGE_FILE = "merge file"  # one of the merged files is synced
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
    MOVE_CLEANED = "move cleaned"  # the rows of a former copy are deleted, the record of the move is not


_watch: Callable[[FailPoint], None] | None = None


def hit(point: FailPoint) -> None:
    """Call the watcher, if any."""
    if _watch is not None:
        _watch(point)


@contextmanager
def watching(watch: Callable[[FailPoint], None]) -> Iterator[None]:
    """Call `watch` at every point of this process until the block ends."""
    global _watch
    _watch = watch
    try:
        yield
    finally:
        _watch = None

"""Merges segments into one with a new name: all their files, each kind by its own function. Commits nothing.

The result becomes visible when storage/catalog/compaction.py commits it; the sources are not changed. A segment with
damaged files is skipped and reported; a damaged frame in an otherwise intact segment is copied, and its messages are
reported.
"""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from storage.config import ArchiveConfig
from storage.cpu_timer import stage
from storage.failpoints import FailPoint, hit
from storage.files.blobs import ArchiveUnusable, LocalBlobs
from storage.model.records import FileDigest, Merged, MergedPart, SegmentManifest
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX, SUFFIXES
from storage.segments.merge.analyses import merge_analyses
from storage.segments.merge.messages import merge_messages
from storage.segments.merge.raw import Placed, merge_raw
from storage.segments.merge.sources import Ordered, Unmergeable, in_order, open_source
from storage.segments.merge.splits import merge_splits
from storage.segments.writer import new_name, users_of

#: New locations of re-packed messages: the columns that the message index must be updated with.
MOVED = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
        pa.field("frame_offset", pa.int64(), nullable=False),
        pa.field("frame_bytes", pa.int32(), nullable=False),
        pa.field("raw_offset", pa.int32(), nullable=False),
    ]
)


def merge(
    blobs: LocalBlobs,
    config: ArchiveConfig,
    shard_id: int,
    epoch: int,
    names: Sequence[str],
    analyses: Mapping[str, str] | None = None,
) -> tuple[Merged, pa.Table]:
    """Write and sync the files of one segment with the messages of all the given ones.

    Args:
        analyses: segment -> name of its analysis file (`LiveSegment.analysis`), for segments that have one.

    Returns:
        The result for `Compactions.commit`, and the messages whose index rows change (MOVED). No file is written
        when fewer than two segments can be merged.

    Raises:
        ArchiveUnusable: the archive has no file of this shard.
        OSError: the files could not be written.
    """
    left, excluded = list(names), dict[str, str]()
    while len(left) > 1:
        name = new_name(shard_id, epoch)
        try:
            with stage("merge"):
                merged, moved = _merge(blobs, config, shard_id, epoch, name, left, analyses or {})
        except BaseException as exc:
            _delete(blobs, shard_id, name)
            if not isinstance(exc, Unmergeable):
                raise
            # The merge may have been half-way: start again without this segment.
            left.remove(exc.segment)
            excluded[exc.segment] = exc.reason
            if not any(True for _ in blobs.list(f"{shard_id:04d}")):
                raise ArchiveUnusable(config.uri, f"it has no file of shard {shard_id}") from exc
        else:
            return Merged(merged.segment, merged.parts, tuple(excluded.items()), merged.damaged), moved
    return Merged(None, (), tuple(excluded.items()), ()), MOVED.empty_table()


def _delete(blobs: LocalBlobs, shard_id: int, name: str) -> None:
    for suffix in SUFFIXES:
        blobs.delete(name + suffix)
    for file in analysis_file.newest(blobs, shard_id).get(name, ()):
        blobs.delete(file)


def _merge(
    blobs: LocalBlobs,
    config: ArchiveConfig,
    shard_id: int,
    epoch: int,
    name: str,
    names: Sequence[str],
    analyses: Mapping[str, str],
) -> tuple[Merged, pa.Table]:
    ordered = in_order([open_source(blobs, source) for source in names])
    hit(FailPoint.MERGE_READ)
    # The raw file comes first: the other files contain the locations of its messages.
    placed = merge_raw(blobs, config, name, ordered)
    files: dict[str, FileDigest | None] = {RAW_SUFFIX: placed.file}
    hit(FailPoint.MERGE_FILE)
    for suffix, merge_files in _OTHERS.items():
        files[suffix] = merge_files(blobs, config, name, ordered, placed.rows)
        hit(FailPoint.MERGE_FILE)
    analysed = merge_analyses(blobs, config, name, epoch, ordered, placed.rows, analyses) if analyses else None
    if analysed is not None:
        hit(FailPoint.MERGE_FILE)
    manifest = SegmentManifest(
        name=name,
        shard_id=shard_id,
        epoch=epoch,
        messages=placed.rows.num_rows,
        size_bytes=pc.sum(placed.rows["size_bytes"]).as_py(),
        raw_bytes=placed.file.size_bytes,
        parquet_bytes=_size(files[PARQUET_SUFFIX]) or 0,
        words_bytes=_size(files[SPLIT_SUFFIX]),
        defective=sum(source.defective for source in ordered.sources),
        users=users_of(placed.rows),
        analysis=analysed,
        digests=tuple(filter(None, files.values())),
    )
    parts = tuple(
        MergedPart(source, base, analyses.get(source)) for source, base in zip(names, placed.bases, strict=True)
    )
    hit(FailPoint.MERGE_WRITTEN)
    return Merged(manifest, parts, (), placed.damaged), _moved(ordered, placed)


def _size(file: FileDigest | None) -> int | None:
    return file.size_bytes if file else None


def _moved(ordered: Ordered, placed: Placed) -> pa.Table:
    repacked = [number for number, base in enumerate(placed.bases) if base is None]
    rows = placed.rows.filter(pc.is_in(ordered.rows["source"], pa.array(repacked, pa.int32())))
    return rows.select(MOVED.names).cast(MOVED)


_Merge = Callable[[LocalBlobs, ArchiveConfig, str, Ordered, pa.Table], FileDigest | None]
#: Kinds of files beside the raw file, in order: the suffix, and the function that merges such files and returns
#: what was written, or None.
_OTHERS: Mapping[str, _Merge] = {PARQUET_SUFFIX: merge_messages, SPLIT_SUFFIX: merge_splits}

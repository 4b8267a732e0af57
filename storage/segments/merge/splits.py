"""Merges the word indexes of segments: their parts become the parts of one index, and no word is tokenized again.

If a split is missing or damaged, the merged split is built from the messages, provided they are few enough. Otherwise
the segment has no split until compaction or a rebuild makes one; searches scan its Parquet file.
"""

import logging
from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.fulltext import builder, summaries
from storage.fulltext.builder import NotIndexed
from storage.model.records import FileDigest
from storage.segments.file_names import PARQUET_SUFFIX, SPLIT_SUFFIX
from storage.segments.merge.sources import Ordered
from storage.segments.writer import index_words

_LOG = logging.getLogger(__name__)

#: Most bytes of mail for building a split from messages: all their texts are in memory at once.
_REBUILT_BYTES = 256 << 20


def merge_splits(
    blobs: LocalBlobs,
    config: ArchiveConfig,  # noqa: ARG001 - as the other kinds of files are merged
    name: str,
    ordered: Ordered,
    rows: pa.Table,  # noqa: ARG001
) -> FileDigest | None:
    """Write the split of the merged segment after its Parquet file; None: it has none."""
    try:
        splits = {}
        for source in ordered.sources:
            split = source.name + SPLIT_SUFFIX
            splits[split] = (blobs.size(split), partial(blobs.read, split))
        return blobs.put_digested(name + SPLIT_SUFFIX, builder.merge(splits, _messages(blobs, name)))
    except (FileDamaged, NotIndexed) as exc:
        _LOG.warning("The word index of %s is built from the messages: %s", name, exc)
    if sum(source.size_bytes for source in ordered.sources) > _REBUILT_BYTES:
        return None
    table = pq.read_table(blobs.location(name + PARQUET_SUFFIX), partitioning=None)
    chunks = index_words(name, table)
    return blobs.put_digested(name + SPLIT_SUFFIX, chunks) if chunks else None


def _messages(blobs: LocalBlobs, name: str) -> Iterator[pa.Table]:
    """The merged messages' list columns, from the Parquet file that was just written, one row group at a time."""
    with pa.OSFile(blobs.location(name + PARQUET_SUFFIX)) as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, columns=list(summaries.READ), use_threads=False)

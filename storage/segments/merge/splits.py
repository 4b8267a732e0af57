"""Merges the word indexes of segments: the parts of all become the parts of one, and no word is looked at again.

A segment without a split, or with a damaged one, costs nobody else's: the merged one is then made of the messages, if
they are few enough, and else there is none until somebody makes it; searches scan the Parquet file meanwhile.
"""

import logging
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.fulltext import builder
from storage.fulltext.builder import NotIndexed
from storage.segments.file_names import PARQUET_SUFFIX, SPLIT_SUFFIX
from storage.segments.merge.sources import Ordered
from storage.segments.writer import index_words

_LOG = logging.getLogger(__name__)

#: Bytes of mail of which a split is made anew: its texts are in memory at once.
_REBUILT_BYTES = 256 << 20


def merge_splits(
    blobs: LocalBlobs,
    config: ArchiveConfig,  # noqa: ARG001 - as the other kinds of files are merged
    name: str,
    ordered: Ordered,
    rows: pa.Table,  # noqa: ARG001
) -> int | None:
    """Write the split of the merged segment, whose Parquet file is written; its size in bytes, or None without one."""
    try:
        splits = {}
        for source in ordered.sources:
            split = source.name + SPLIT_SUFFIX
            splits[split] = (blobs.size(split), partial(blobs.read, split))
        return blobs.put(name + SPLIT_SUFFIX, builder.merge(splits))
    except (FileDamaged, NotIndexed) as exc:
        _LOG.warning("The word index of %s is made anew: %s", name, exc)
    if sum(source.size_bytes for source in ordered.sources) > _REBUILT_BYTES:
        return None
    table = pq.read_table(blobs.location(name + PARQUET_SUFFIX), partitioning=None)
    chunks = index_words(name, table)
    return blobs.put(name + SPLIT_SUFFIX, chunks) if chunks else None

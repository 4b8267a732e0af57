"""Writes a segment: a set of immutable files under a globally unique name.

`NAME.raw.zst` holds the exact bytes (storage/files/raw_file.py). `NAME.parquet` holds the messages (schemas.MESSAGES),
sorted by user and date, with every message's location in the raw file: the catalog can be rebuilt from the files alone.
`NAME.split` holds the index of their words (storage/fulltext/), `NAME.EPOCH-TOKEN.analysis` the analysers' results
(analysis_file.py). The files become visible when storage/catalog/catalog.py commits their manifest.
"""

import logging
import re
import uuid
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.config import ArchiveConfig
from storage.cpu_timer import stage
from storage.failpoints import FailPoint, hit
from storage.files.blobs import LocalBlobs
from storage.files.file_format import numbered
from storage.files.raw_file import RawWriter
from storage.fulltext import builder
from storage.model.records import SegmentManifest, SegmentUser
from storage.model.schemas import INDEX, MESSAGES
from storage.segments import analysis_file as analyses
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX, SPLIT_SUFFIX

#: Rows per Parquet row group: a page of a list decompresses one (4 ms; with 10,000 rows 10 ms). Each group adds 0.1 ms
#: to every DuckDB query.
ROW_GROUP = 4000

#: Columns whose values hardly ever repeat. A dictionary of them is given up after its first MiB: without one, pages are
#: 1% smaller and take 15% less CPU (SpamAssassin, 2026-11).
_UNLIKE = {
    "message_id",
    "thread_id",
    "sha256",
    "raw_offset",
    "snippet",
    "rfc822_message_id",
    "text",
    "headers.list.element.value",
}

#: The sort order of a segment's messages.
ORDER = (("user_id", "ascending"), ("received_at", "ascending"), ("message_id", "ascending"))

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[0-9]{4,}/([0-9]{8,})-[0-9a-f]{32}")


def new_name(shard_id: int, epoch: int) -> str:
    """A new, unique name. It contains the epoch, so that garbage collection knows whether the writer can commit it."""
    return f"{shard_id:04d}/{epoch:08d}-{uuid.uuid4().hex}"


def epoch_of(name: str) -> int:
    """The writer's epoch in a segment's name.

    Raises:
        ValueError: not a segment's name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"not a segment's name: {name!r}")
    return int(match[1])


def in_order(fetched: pa.Table) -> pa.Table:
    """Sort mail (schemas.FETCHED) into the order of a segment: by user, date, id."""
    # Sorts the indices and takes views: sorting the table would copy the bytes once more.
    return fetched.take(pc.sort_indices(fetched, sort_keys=ORDER))


def write(
    blobs: LocalBlobs,
    config: ArchiveConfig,
    shard_id: int,
    epoch: int,
    fetched: pa.Table,
    parsed: pa.Table,
    analysis: pa.Table | None = None,
) -> tuple[SegmentManifest, pa.Table]:
    """Write and sync the files of a segment.

    Args:
        fetched: schemas.FETCHED, `in_order`, at least one row.
        parsed: the columns of schemas.MESSAGES that `fetched` lacks; the rows match.
        analysis: one struct per analyser; the rows match; None: the messages were not analysed.

    Returns:
        The manifest and the rows for the message index (schemas.INDEX), ready for `Catalog.commit`.
    """
    name = new_name(shard_id, epoch)
    with stage("raw"):
        writer = RawWriter(config.frame_bytes, config.zstd_level)
        users, messages = fetched["user_id"].to_pylist(), fetched["message_id"].to_pylist()
        for user_id, message_id, raw in zip(users, messages, fetched["raw"], strict=True):
            writer.add(user_id, message_id, memoryview(raw.as_buffer()))
        raw_file = blobs.put_digested(name + RAW_SUFFIX, writer.finish())
    hit(FailPoint.SEGMENT_RAW)
    with stage("parquet"):
        table = _messages(fetched, parsed, writer)
        parquet = blobs.put_digested(name + PARQUET_SUFFIX, [_parquet(table, config.zstd_level)])
    hit(FailPoint.SEGMENT_PARQUET)
    with stage("words", threads=True):
        split = index_words(name, table)
        words = blobs.put_digested(name + SPLIT_SUFFIX, split) if split else None
    analysed = None
    if analysis is not None:
        with stage("analysis"):
            groups = analyses.groups_of(table.num_rows, ROW_GROUP)
            analysed = analyses.write(blobs, config.zstd_level, name, epoch, table, analysis, groups)
    hit(FailPoint.SEGMENT_WRITTEN)

    index = table.select(INDEX.names)
    manifest = SegmentManifest(
        name=name,
        shard_id=shard_id,
        epoch=epoch,
        messages=table.num_rows,
        size_bytes=pc.sum(table["size_bytes"]).as_py(),
        raw_bytes=raw_file.size_bytes,
        parquet_bytes=parquet.size_bytes,
        defective=pc.sum(pc.greater(pc.list_value_length(table["defects"]), 0)).as_py(),
        users=users_of(index),
        words_bytes=words.size_bytes if words else None,
        analysis=analysed,
        digests=tuple(filter(None, (raw_file, parquet, words))),
    )
    return manifest, index


def index_words(name: str, table: pa.Table) -> list[bytes] | None:
    """The split of a segment's messages, in chunks; None when tantivy fails.

    Mail that cannot be indexed is backed up all the same: searches scan the Parquet file of a segment without a split.
    """
    try:
        return list(builder.build(table))
    except builder.NotIndexed:
        _LOG.exception("Segment %s is stored without a word index; searches of it are slower", name)
        return None


def parquet_options(zstd_level: int, bloom: int = 0) -> dict[str, Any]:
    """pyarrow's options for writing messages. `bloom`: rows per group for a Bloom filter of ids; 0: no filter."""
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": zstd_level,
        "use_dictionary": [path for path in _paths() if path not in _UNLIKE],
        "sorting_columns": [pq.SortingColumn(0), pq.SortingColumn(4)],
        "write_page_checksum": True,  # pyarrow verifies checksums on request, DuckDB never
    }
    if bloom:
        options["bloom_filter_options"] = {"message_id": {"ndv": bloom, "fpp": 0.01}}
    return options


@cache
def _paths() -> tuple[str, ...]:
    """The columns of MESSAGES as Parquet names them."""
    sink = pa.BufferOutputStream()
    pq.write_table(MESSAGES.empty_table(), sink)
    schema = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return tuple(schema.column(index).path for index in range(len(schema.names)))


def _parquet(table: pa.Table, zstd_level: int) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.cast(numbered(table.schema, "messages")),
        sink,
        row_group_size=ROW_GROUP,
        **parquet_options(zstd_level),
    )
    return memoryview(sink.getvalue())


def _messages(fetched: pa.Table, parsed: pa.Table, writer: RawWriter) -> pa.Table:
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        name: fetched[name] for name in fetched.column_names if name != "raw"
    }
    for name in ("size_bytes", "sha256", "frame_offset", "frame_bytes", "raw_offset"):
        columns[name] = pa.array([getattr(location, name) for location in writer.locations], MESSAGES.field(name).type)
    for name in parsed.column_names:
        columns[name] = parsed[name]
    return pa.table([columns[name] for name in MESSAGES.names], schema=MESSAGES)


def users_of(index: pa.Table) -> tuple[SegmentUser, ...]:
    """Each user's share of a segment, from the messages' ids, dates and sizes."""
    grouped = index.group_by("user_id").aggregate(
        [("message_id", "count"), ("size_bytes", "sum"), ("received_at", "min"), ("received_at", "max")]
    )
    return tuple(
        SegmentUser(
            user_id=row["user_id"],
            messages=row["message_id_count"],
            size_bytes=row["size_bytes_sum"],
            first_at=row["received_at_min"],
            last_at=row["received_at_max"],
        )
        for row in grouped.to_pylist()
    )

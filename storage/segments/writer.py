"""Writes a segment: the files that a shard writes at once, immutable, under a name that is unique for ever.

`NAME.raw.zst` holds the exact bytes (raw.py), `NAME.parquet` the messages (schemas.MESSAGES), sorted by user and
date, with every message's place in the raw file: the catalogue can be rebuilt from the files alone. `NAME.split` holds
the index of their words (splits/), `NAME.EPOCH-TOKEN.analysis` what analysers say of them (analysis.py). Nobody sees
them before storage/catalog/catalog.py commits their manifest.
"""

import logging
import re
import uuid
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

#: Rows per Parquet row group: what a page of a list decompresses (4 ms; with 10,000 rows 10). Each group costs every
#: question to DuckDB 0.1 ms.
ROW_GROUP = 4000

#: The order of a segment's messages.
ORDER = (("user_id", "ascending"), ("received_at", "ascending"), ("message_id", "ascending"))

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[0-9]{4,}/([0-9]{8,})-[0-9a-f]{32}")


def new_name(shard_id: int, epoch: int) -> str:
    """A name nobody used. It carries the epoch, so that a sweep knows whether its writer can still commit."""
    return f"{shard_id:04d}/{epoch:08d}-{uuid.uuid4().hex}"


def epoch_of(name: str) -> int:
    """The epoch under which a segment's file was written.

    Raises:
        ValueError: not a segment's name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"not a segment's name: {name!r}")
    return int(match[1])


def in_order(fetched: pa.Table) -> pa.Table:
    """Mail (schemas.FETCHED) in the order of a segment: by user, date, id."""
    # The bytes stay where they are: sorting the indices and taking views would copy them once more.
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
    """Write the files of a segment and sync them.

    Args:
        fetched: schemas.FETCHED, `in_order`, at least one row.
        parsed: the columns of schemas.MESSAGES that the fetched mail does not give, row by row the same messages.
        analysis: a struct per analyser, row by row the same messages; None: they were not analysed.

    Returns:
        The manifest and the rows for the message index (schemas.INDEX), ready for `Catalog.commit`.
    """
    name = new_name(shard_id, epoch)
    with stage("raw"):
        writer = RawWriter(config.frame_bytes, config.zstd_level)
        users, messages = fetched["user_id"].to_pylist(), fetched["message_id"].to_pylist()
        for user_id, message_id, raw in zip(users, messages, fetched["raw"], strict=True):
            writer.add(user_id, message_id, memoryview(raw.as_buffer()))
        raw_bytes = blobs.put(name + RAW_SUFFIX, writer.finish())
    hit(FailPoint.SEGMENT_RAW)
    with stage("parquet"):
        table = _messages(fetched, parsed, writer)
        parquet_bytes = blobs.put(name + PARQUET_SUFFIX, [_parquet(table, config.zstd_level)])
    hit(FailPoint.SEGMENT_PARQUET)
    with stage("words", threads=True):
        split = index_words(name, table)
        words_bytes = blobs.put(name + SPLIT_SUFFIX, split) if split else None
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
        raw_bytes=raw_bytes,
        parquet_bytes=parquet_bytes,
        defective=pc.sum(pc.greater(pc.list_value_length(table["defects"]), 0)).as_py(),
        users=users_of(index),
        words_bytes=words_bytes,
        analysis=analysed,
    )
    return manifest, index


def index_words(name: str, table: pa.Table) -> list[bytes] | None:
    """The split of a segment's messages, in chunks; None when it cannot be made.

    Mail that tantivy fails on is backed up all the same: searches scan the Parquet file of a segment without a split.
    """
    try:
        return list(builder.build(table))
    except builder.NotIndexed:
        _LOG.exception("The segment %s is stored without its word index; searches of it are slower", name)
        return None


def parquet_options(zstd_level: int, bloom: int = 0) -> dict[str, Any]:
    """How pyarrow is to write the messages. `bloom`: rows per group to make a Bloom filter of ids for; 0: none."""
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": zstd_level,
        "sorting_columns": [pq.SortingColumn(0), pq.SortingColumn(4)],
        "write_page_checksum": True,  # pyarrow checks it when asked to, DuckDB never
    }
    if bloom:
        options["bloom_filter_options"] = {"message_id": {"ndv": bloom, "fpp": 0.01}}
    return options


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
    """What each user has in a segment, of the messages' ids, dates and sizes."""
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

"""The analysis file of a segment: a Parquet file of analysers' results beside the segment's own files.

`SEGMENT.EPOCH-TOKEN.analysis` has `user_id`, `message_id` and one struct per analyser (its `version`, an `error`, its
fields), row for row the messages of SEGMENT.parquet in the same row groups. The suffix keeps the file out of views over
`*.parquet`. A file never changes; a new analysis of the segment is a new file, whose token sorts after the old one. The
rows of a file may have several versions, and a file may lack an analyser: readers of several files fill missing fields
with nulls (`unified`, `conformed`). Written by storage/segments/writer.py, storage/segments/merge/ and
jobs/reanalysis.py.
"""

import errno
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.failpoints import FailPoint, hit
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.files.declared_sizes import require_parquet
from storage.files.file_format import number_of_parquet, numbered, require_known
from storage.model.records import AnalysisManifest

ANALYSIS_SUFFIX = ".analysis"

#: The first columns of every file; the analysers' columns follow.
KEYS = pa.schema(
    [
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("message_id", pa.int64(), nullable=False),
    ]
)

_NAME = re.compile(r"([0-9]{4,}/[0-9]{8,}-[0-9a-f]{32})\.([0-9]{8,})-[0-9a-f]{32}" + re.escape(ANALYSIS_SUFFIX))
_COLUMN = re.compile(r"[a-z][a-z_]{0,30}")


def new_name(segment: str, epoch: int) -> str:
    """A new, unique file name. It contains the writer's epoch, so that garbage collection knows whether the file can
    still be committed, and sorts after the segment's earlier analyses."""
    return f"{segment}.{epoch:08d}-{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:20]}{ANALYSIS_SUFFIX}"


def origin(name: str) -> tuple[str, int] | None:
    """The segment and the writer's epoch in an analysis file's name; None: not the name of an analysis file."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def write(
    blobs: LocalBlobs,
    zstd_level: int,
    segment: str,
    epoch: int,
    keys: pa.Table,
    analysis: pa.Table,
    groups: Sequence[int],
) -> AnalysisManifest:
    """Write and sync the analysis of a segment's messages.

    Args:
        keys: at least KEYS, of the segment's messages, in the segment's order.
        analysis: one struct per analyser; the rows match `keys`.
        groups: number of rows of each row group of the segment's Parquet file.

    Raises:
        ValueError: a column is not an analyser's, or the numbers of rows differ.
    """
    if analysis.num_rows != keys.num_rows or sum(groups) != keys.num_rows:
        raise ValueError(f"{analysis.num_rows} rows in groups of {sum(groups)} do not match {keys.num_rows} messages")
    analysis = conformed(analysis, unified([analysis.schema]))
    table = pa.table([*keys.select(KEYS.names).cast(KEYS).columns, *analysis.columns], whole_schema(analysis.schema))
    name = new_name(segment, epoch)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **options(zstd_level)) as writer:
        start = 0
        for rows in groups:
            writer.write_table(table.slice(start, rows), row_group_size=max(rows, 1))
            start += rows
    file = blobs.put_digested(name, [memoryview(sink.getvalue())])
    hit(FailPoint.ANALYSIS_WRITTEN)
    return AnalysisManifest(name, file.size_bytes, lowest_of([lowest_versions(analysis)]), file.sha256)


def options(zstd_level: int) -> dict[str, object]:
    """pyarrow's options for writing an analysis file."""
    return {"compression": "zstd", "compression_level": zstd_level, "write_page_checksum": True}


def whole_schema(analysers: pa.Schema) -> pa.Schema:
    """A file's schema: KEYS, then the analysers' columns."""
    return numbered(pa.schema([*KEYS, *analysers]), "analysis")


def unified(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """The analysers' columns of several tables, each with the union of its fields.

    A field has its type in the first table that has the field.

    Raises:
        ValueError: a column is not an analyser's.
    """
    columns: dict[str, dict[str, pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            if field.name in KEYS.names:
                continue
            if not _COLUMN.fullmatch(field.name) or not pa.types.is_struct(field.type):
                raise ValueError(f"the column {field.name!r} is not an analyser's struct")
            fields = columns.setdefault(field.name, {})
            for inner in field.type:
                fields.setdefault(inner.name, inner.type)
            if fields.get("version") != pa.int16():
                raise ValueError(f"the column {field.name!r} has no version")
    return pa.schema(
        [pa.field(name, pa.struct([pa.field(*inner) for inner in fields.items()])) for name, fields in columns.items()]
    )


def conformed(table: pa.Table, analysers: pa.Schema) -> pa.Table:
    """Convert a table to the columns of `unified`: missing fields, and fields of another type, become null."""
    columns = []
    for field in analysers:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        chunks = table[field.name]
        array = pa.concat_arrays(chunks.chunks or [pa.nulls(0, chunks.type)])
        if array.type.equals(field.type):
            columns.append(array)
            continue
        inner = {part.name: child for part, child in zip(array.type, array.flatten(), strict=True)}
        children = [
            inner[part.name]
            if part.name in inner and inner[part.name].type == part.type
            else pa.nulls(len(array), part.type)
            for part in field.type
        ]
        columns.append(pa.StructArray.from_arrays(children, fields=list(field.type), mask=array.is_null()))
    return pa.table(columns, schema=analysers) if columns else pa.table({})


def lowest_versions(table: pa.Table) -> dict[str, int]:
    """Analyser -> lowest version among the rows of a non-empty table; 0 where a row has no result."""
    nothing = pa.scalar(0, pa.int16())
    return {
        name: pc.min(pc.fill_null(pc.struct_field(table[name], "version"), nothing)).as_py()
        for name in table.column_names
    }


def lowest_of(parts: Sequence[Mapping[str, int]]) -> tuple[tuple[str, int], ...]:
    """The same for several tables with the same columns, in the form of a manifest."""
    return tuple((name, min(part[name] for part in parts)) for name in sorted(parts[0])) if parts else ()


@contextmanager
def opened(blobs: LocalBlobs, name: str) -> Iterator[pq.ParquetFile]:
    """Open an analysis file; checksums of pages are verified on reading. Errors name the file.

    Raises:
        FileMissing, FileDamaged.
    """
    try:
        blobs.size(name)
        with pa.OSFile(blobs.location(name)) as file:
            parquet = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False)
            require_known(name, "analysis", number_of_parquet(parquet.metadata.metadata))
            require_parquet(parquet.metadata)
            yield parquet
    except OSError as exc:
        # pyarrow reports damage as OSError without errno; other OSErrors are not damage, except EIO (a bad sector).
        if exc.errno not in (None, errno.EIO):
            raise
        raise FileDamaged(name, "it is not the Parquet that was written") from exc
    except (pa.ArrowException, UnicodeDecodeError, ValueError) as exc:
        raise FileDamaged(name, "it is not the Parquet that was written") from exc


def manifest_of(blobs: LocalBlobs, name: str, keys: pa.Table) -> AnalysisManifest:
    """Read a whole file and check that its keys match the messages of its segment.

    Raises:
        FileMissing, FileDamaged.
    """
    with opened(blobs, name) as parquet:
        if parquet.metadata.num_rows != keys.num_rows:
            raise FileDamaged(name, f"it has {parquet.metadata.num_rows} rows, its segment {keys.num_rows} messages")
        row, lowest = 0, list[dict[str, int]]()
        analysers = unified([parquet.schema_arrow])
        for batch in parquet.iter_batches(use_threads=False):
            for key in KEYS.names:
                theirs = keys[key].slice(row, batch.num_rows)
                if not pa.chunked_array([batch[key]]).equals(theirs):
                    raise FileDamaged(name, "its messages are not those of its segment")
            row += batch.num_rows
            lowest.append(lowest_versions(pa.Table.from_batches([batch]).select(analysers.names)))
    return AnalysisManifest(name, blobs.size(name), lowest_of(lowest))


def analysers_of(blobs: LocalBlobs, name: str) -> pa.Schema:
    """The analysers' columns of a file. Raises as `opened`."""
    with opened(blobs, name) as parquet:
        return unified([parquet.schema_arrow])


def newest(blobs: LocalBlobs, shard_id: int) -> dict[str, list[str]]:
    """The analysis files in a shard's folder, by segment, newest first."""
    files: dict[str, list[str]] = {}
    for blob in blobs.list(f"{shard_id:04d}"):
        if (of := origin(blob.name)) is not None:
            files.setdefault(of[0], []).append(blob.name)
    return {segment: sorted(names, reverse=True) for segment, names in files.items()}


def groups_of(rows: int, size: int) -> list[int]:
    """Numbers of rows of row groups: `size` each, the last one smaller."""
    return [min(size, rows - start) for start in range(0, rows, size)]

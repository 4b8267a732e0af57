"""Merges the Parquet files of sorted segments into one sorted file, one row group at a time.

Each file is read once, sequentially. Memory holds a small batch of each file, and one row group of the result.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.config import ArchiveConfig
from storage.files.blobs import LocalBlobs
from storage.files.file_format import numbered
from storage.model.records import FileDigest
from storage.model.schemas import MESSAGES
from storage.segments.file_names import PARQUET_SUFFIX
from storage.segments.merge.sources import MergeSource, Ordered, blaming, open_parquet
from storage.segments.writer import ROW_GROUP, parquet_options

#: Limit of mail in a row group, in bytes, for unusually large mail: the texts take about as much memory.
_GROUP_BYTES = 256 << 20
#: Approximate bytes of mail in the batches of all files together.
_BATCHES_BYTES = 32 << 20
#: Fewest rows on average that follow one another in a source, so that its slices are used as they are: copying the rows
#: of a row group one by one takes 0.02 ms per message. Mail of a mailbox arrives in order of time, in either direction.
_RUN = 16
_PLACE = ("frame_offset", "frame_bytes", "raw_offset")


def merge_messages(blobs: LocalBlobs, config: ArchiveConfig, name: str, ordered: Ordered, rows: pa.Table) -> FileDigest:
    """Write and sync the Parquet file of the merged segment.

    Args:
        rows: as in `Ordered`, with the locations in the merged raw file.

    Raises:
        Unmergeable: a source cannot be read.
    """
    return blobs.put_digested(name + PARQUET_SUFFIX, _chunks(blobs, config, ordered, rows))


def _chunks(blobs: LocalBlobs, config: ArchiveConfig, ordered: Ordered, rows: pa.Table) -> Iterator[bytes]:
    sink = Sink()
    options = parquet_options(config.zstd_level, bloom=min(rows.num_rows, ROW_GROUP))
    with ExitStack() as stack:
        share = _BATCHES_BYTES // len(ordered.sources)
        files = [_Rows(stack, blobs, source, share) for source in ordered.sources]
        with pq.ParquetWriter(pa.PythonFile(sink, "w"), numbered(MESSAGES, "messages"), **options) as writer:
            for group in groups_of(rows):
                writer.write_table(_merged(files, group), row_group_size=group.num_rows)
                yield from sink.drain()
    yield from sink.drain()


def groups_of(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of a merged segment, by row group."""
    sizes = rows["size_bytes"].to_pylist()
    start = held = 0
    for row, size in enumerate(sizes):
        if row - start == ROW_GROUP or (held and held + size > _GROUP_BYTES):
            yield rows.slice(start, row - start)
            start, held = row, 0
        held += size
    yield rows.slice(start)


def _merged(files: list["_Rows"], group: pa.Table) -> pa.Table:
    """The complete rows of one group. They are the next rows of every file, because all have the same order."""
    table = interleaved([file.take for file in files], group["source"])
    for name in ("user_id", "message_id"):
        if not table[name].equals(group[name]):
            raise RuntimeError("a segment's rows do not match its keys")
    for name in _PLACE:
        field = MESSAGES.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, group[name])
    return table


def interleaved(take: Sequence[Callable[[int], pa.Table]], group: pa.ChunkedArray) -> pa.Table:
    """The next rows of several tables, interleaved in the order of the table numbers in `group`.

    Args:
        take: per table, a function that returns its next N rows.
    """
    sources = group.combine_chunks()
    runs = pc.run_end_encode(sources)
    if len(runs.values) * _RUN <= len(sources):
        ends = runs.run_ends.to_pylist()
        lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        return pa.concat_tables(
            take[number](rows) for number, rows in zip(runs.values.to_pylist(), lengths, strict=True)
        )
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(sources).to_pylist()}
    table = pa.concat_tables([take[number](counts[number]) for number in sorted(counts)])
    if len(counts) > 1:
        by_source = pc.array_sort_indices(sources)  # stable: position in the group of each row of `table`
        table = table.combine_chunks().take(pc.array_sort_indices(by_source))
    return table


class _Rows:
    """The rows of one source, in order."""

    def __init__(self, stack: ExitStack, blobs: LocalBlobs, source: MergeSource, batch_bytes: int) -> None:
        self._source = source
        with blaming(source.name):
            parquet = stack.enter_context(open_parquet(blobs, source.name))
            columns = parquet.schema_arrow.names
            names = [name for name in MESSAGES.names if name in columns]
        rows = source.keys.num_rows
        batch = max(1, min(ROW_GROUP, rows * batch_bytes // max(source.size_bytes, 1)))
        self._batches = parquet.iter_batches(batch_size=batch, columns=names, use_threads=False)
        self._held: deque[pa.RecordBatch] = deque()

    def take(self, count: int) -> pa.Table:
        """The next rows."""
        taken: list[pa.RecordBatch] = []
        while count:
            if not self._held:
                with blaming(self._source.name):
                    self._held.append(next(self._batches))
            batch = self._held.popleft()
            if batch.num_rows > count:
                self._held.appendleft(batch.slice(count))
                batch = batch.slice(0, count)
            taken.append(batch)
            count -= batch.num_rows
        return _whole(pa.Table.from_batches(taken))


def _whole(table: pa.Table) -> pa.Table:
    """Add the columns that an older version did not write."""
    if table.schema.equals(MESSAGES):
        return table
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in MESSAGES
    ]
    return pa.table(columns, schema=MESSAGES)


class Sink:
    """A file object for pyarrow to write to; its bytes are drained while it grows."""

    closed = False

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """No-op."""

    def drain(self) -> list[bytes]:
        chunks, self._chunks = self._chunks, []
        return chunks

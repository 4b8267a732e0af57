"""Merges the analyses of sorted segments into one, in the order of the merged messages.

A segment whose analysis is missing, or damaged (logged by name), gets nulls: messages can be analysed again, so an
analysis never prevents a merge.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.parquet as pq

from storage.config import ArchiveConfig
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.model.records import AnalysisManifest
from storage.segments import analysis_file
from storage.segments.merge.messages import Sink, groups_of, interleaved
from storage.segments.merge.sources import Ordered
from storage.segments.writer import ROW_GROUP

_LOG = logging.getLogger(__name__)


def merge_analyses(
    blobs: LocalBlobs,
    config: ArchiveConfig,
    name: str,
    epoch: int,
    ordered: Ordered,
    rows: pa.Table,
    analyses: Mapping[str, str],
) -> AnalysisManifest | None:
    """Write and sync the analysis of a merged segment; None when no source has one.

    Args:
        rows: as in `Ordered`.
        analyses: segment -> name of its analysis file, for segments that have one.
    """
    intact = _intact(blobs, ordered, analyses)
    schema = analysis_file.unified(intact.values())
    if not schema.names:
        return None
    file = analysis_file.new_name(name, epoch)
    lowest: list[Mapping[str, int]] = []
    written = blobs.put_digested(
        file, _chunks(blobs, config, ordered, rows, {source: analyses[source] for source in intact}, schema, lowest)
    )
    return AnalysisManifest(file, written.size_bytes, analysis_file.lowest_of(lowest), written.sha256)


def _intact(blobs: LocalBlobs, ordered: Ordered, analyses: Mapping[str, str]) -> dict[str, pa.Schema]:
    """The sources with a readable analysis, and its columns."""
    schemas: dict[str, pa.Schema] = {}
    for source in ordered.sources:
        if (file := analyses.get(source.name)) is None:
            continue
        try:
            analysis_file.manifest_of(blobs, file, source.keys)
            schemas[source.name] = analysis_file.analysers_of(blobs, file)
        except FileDamaged as exc:
            _LOG.error("The analysis of segment %s is lost and will be repeated: %s", source.name, exc)
    return schemas


def _chunks(
    blobs: LocalBlobs,
    config: ArchiveConfig,
    ordered: Ordered,
    rows: pa.Table,
    files: Mapping[str, str],
    schema: pa.Schema,
    lowest: list[Mapping[str, int]],
) -> Iterator[bytes]:
    """The bytes of the file. `lowest`: receives the lowest versions of each row group."""
    sink = Sink()
    whole = analysis_file.whole_schema(schema)
    with ExitStack() as stack:
        sources = [_Rows(stack, blobs, files.get(source.name), schema) for source in ordered.sources]
        with pq.ParquetWriter(pa.PythonFile(sink, "w"), whole, **analysis_file.options(config.zstd_level)) as writer:
            for group in groups_of(rows):
                table = interleaved([source.take for source in sources], group["source"])
                lowest.append(analysis_file.lowest_versions(table))
                keys = group.select(analysis_file.KEYS.names).cast(analysis_file.KEYS)
                writer.write_table(pa.table([*keys.columns, *table.columns], whole), row_group_size=group.num_rows)
                yield from sink.drain()
    yield from sink.drain()


class _Rows:
    """The rows of one source's analysis, in order; endless nulls when the source has none."""

    def __init__(self, stack: ExitStack, blobs: LocalBlobs, file: str | None, schema: pa.Schema) -> None:
        self._schema = schema
        self._batches: Iterator[pa.RecordBatch] | None = None
        if file is not None:
            parquet = stack.enter_context(analysis_file.opened(blobs, file))
            self._batches = parquet.iter_batches(batch_size=ROW_GROUP, use_threads=False)
        self._held: deque[pa.Table] = deque()

    def take(self, count: int) -> pa.Table:
        """The next rows."""
        if self._batches is None:
            return analysis_file.conformed(pa.table({"none": pa.nulls(count)}), self._schema)
        taken: list[pa.Table] = []
        while count:
            if not self._held:
                self._held.append(analysis_file.conformed(pa.Table.from_batches([next(self._batches)]), self._schema))
            table = self._held.popleft()
            if table.num_rows > count:
                self._held.appendleft(table.slice(count))
                table = table.slice(0, count)
            taken.append(table)
            count -= table.num_rows
        return pa.concat_tables(taken)

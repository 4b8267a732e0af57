"""Merges the analyses of sorted segments into one, row by row as their messages are merged.

A segment without an analysis gives nulls, and so does one whose analysis is damaged, which is logged by name: what
analysers say can be said again, so it never keeps mail from being merged.
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
    """Write the analysis of a merged segment and sync it; None when there is nothing to merge.

    Args:
        rows: as of `Ordered`.
        analyses: segment -> the file of its analysis, of those that have one.
    """
    intact = _intact(blobs, ordered, analyses)
    schema = analysis_file.unified(intact.values())
    if not schema.names:
        return None
    file = analysis_file.new_name(name, epoch)
    lowest: list[Mapping[str, int]] = []
    size_bytes = blobs.put(
        file, _chunks(blobs, config, ordered, rows, {source: analyses[source] for source in intact}, schema, lowest)
    )
    return AnalysisManifest(file, size_bytes, analysis_file.lowest_of(lowest))


def _intact(blobs: LocalBlobs, ordered: Ordered, analyses: Mapping[str, str]) -> dict[str, pa.Schema]:
    """The sources whose analyses can be read, and the columns of each."""
    found: dict[str, pa.Schema] = {}
    for source in ordered.sources:
        if (file := analyses.get(source.name)) is None:
            continue
        try:
            analysis_file.manifest_of(blobs, file, source.keys)
            found[source.name] = analysis_file.analysers_of(blobs, file)
        except FileDamaged as exc:
            _LOG.error("What was analysed of the segment %s is lost, to be analysed again: %s", source.name, exc)
    return found


def _chunks(
    blobs: LocalBlobs,
    config: ArchiveConfig,
    ordered: Ordered,
    rows: pa.Table,
    files: Mapping[str, str],
    schema: pa.Schema,
    lowest: list[Mapping[str, int]],
) -> Iterator[bytes]:
    """The bytes of the file. `lowest`: takes the versions of each row group."""
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
    """The rows of one source's analysis, in order; nulls without end when it has none."""

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

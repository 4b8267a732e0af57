"""Analyses the stored mail of a segment again. Commits nothing.

Messages are read from the segment's Parquet file. For analysers that need more (the leading bytes of attachments),
messages are parsed again from their exact bytes. The results of other analysers are kept. With limits, a child process
parses and analyses (jobs/isolation/analysing.py).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from functools import partial
from itertools import repeat
from typing import Any

import pyarrow as pa

from jobs.isolation.analysing import IsolatedAnalysis
from jobs.isolation.config import ParseLimits
from jobs.mime.message import Attachment, ParsedMessage
from jobs.mime.parser import parse
from jobs.processing import COLUMNS, parsed
from storage.config import ArchiveConfig
from storage.cpu_timer import stage
from storage.errors import BackupError
from storage.files.blobs import ArchiveUnusable, FileDamaged, LocalBlobs, open_blobs
from storage.files.raw_file import cut, open_frame
from storage.model.location import Location
from storage.model.records import AnalysisManifest
from storage.model.results import UNPARSABLE
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX

_LOG = logging.getLogger(__name__)

#: The value of a field that no column contains.
_EMPTY = parse(b"")
#: Messages per batch.
_AT_ONCE = 200
_PLACE = ("size_bytes", "sha256", "frame_offset", "frame_bytes", "raw_offset")
_ATTACHMENT = tuple(field.name for field in fields(Attachment))


class NoSuchAnalyser(BackupError):
    """No analyser has this name. Use an existing name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no analyser {self.name!r} on this cluster: correct the name."


@dataclass(frozen=True, slots=True)
class Analysers:
    """The analysers to run.

    versions: analyser -> its version. run: returns one struct per named analyser; the rows match the messages.
    exact: analysers that need more of a message than its segment's Parquet file contains.
    at_once: run them when mail is stored; otherwise later, on request.
    """

    versions: Mapping[str, int]
    run: Callable[[Sequence[ParsedMessage], Sequence[str]], pa.Table]
    exact: frozenset[str] = frozenset()
    at_once: bool = True

    def outdated(self, stored: Mapping[str, int], only: Sequence[str] = ()) -> list[str]:
        """The analysers (of `only`, if given) that lack a result, or have one of an earlier version, for some row.

        Args:
            stored: versions of the segment's manifest.
        """
        names = [name for name in self.versions if not only or name in only]
        return [name for name in names if stored.get(name, 0) < self.versions[name]]

    @property
    def of_new_mail(self) -> Callable[[Sequence[ParsedMessage]], pa.Table] | None:
        """The function that analyses mail while it is stored; None: no analysis."""
        return self.all if self.at_once else None

    def all(self, messages: Sequence[ParsedMessage]) -> pa.Table:
        """Run all analysers."""
        return self.run(messages, tuple(self.versions))


def reanalyse(
    archive: ArchiveConfig,
    segment: str,
    epoch: int,
    old: str | None,
    names: Sequence[str],
    analysers: Analysers,
    limits: ParseLimits | None = None,
) -> AnalysisManifest:
    """Write a new analysis of a segment, with new results of the named analysers.

    Args:
        old: name of the current analysis file, whose other columns are kept; a damaged file is logged and ignored.
        limits: of the child process that parses and analyses; None: this process does.

    Raises:
        FileDamaged: the segment's own files are damaged.
        ArchiveUnusable: the archive is not writable.
    """
    blobs = open_blobs(archive.uri)
    name = segment + PARQUET_SUFFIX
    exact = bool(analysers.exact.intersection(names))
    keys, groups, fresh = [], [], []
    with analysis_file.opened(blobs, name) as parquet, ExitStack() as stack:
        run = _run(analysers, names)
        if limits is not None:
            run = partial(stack.enter_context(closing(IsolatedAnalysis(limits, analysers.run))).run, names=names)
        for number in range(parquet.num_row_groups):
            table = parquet.read_row_group(number, use_threads=False)
            keys.append(table.select(analysis_file.KEYS.names))
            groups.append(table.num_rows)
            for start in range(0, table.num_rows, _AT_ONCE):
                rows = table.slice(start, _AT_ONCE)
                raws = list(_exact(blobs, segment, rows)) if exact else [None] * rows.num_rows
                with stage("analysis"):
                    fresh.append(run(rows, raws))
    whole = pa.concat_tables(keys)
    table = pa.concat_tables(fresh)
    if old is not None:
        for column, said in _kept(blobs, old, whole, names).items():
            table = table.append_column(column, said)
    try:
        return analysis_file.write(blobs, archive.zstd_level, segment, epoch, whole, table, groups)
    except OSError as exc:
        raise ArchiveUnusable(archive.uri, exc.strerror or str(exc)) from exc


def _run(analysers: Analysers, names: Sequence[str]) -> Callable[[pa.Table, Sequence[bytes | None]], pa.Table]:
    return lambda rows, raws: analysers.run(messages_of(rows, raws), names)


def messages_of(rows: pa.Table, raws: Sequence[bytes | None] = ()) -> list[ParsedMessage]:
    """The messages in rows of schemas.MESSAGES, as parsed when they were stored.

    A message that ended the process which parsed it is an empty one.

    Args:
        raws: exact bytes of the messages to parse again; None: as in the row.
    """
    columns: dict[str, list[Any]] = {field: rows[name].to_pylist() for name, field in COLUMNS.items()}
    columns["headers"] = [[(one["name"], one["value"]) for one in headers] for headers in columns["headers"]]
    columns["attachments"] = [
        [Attachment(**{name: part[name] for name in _ATTACHMENT}) for part in parts] for parts in columns["attachments"]
    ]
    stored = [_EMPTY._replace(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    again = [one if raw is None else parsed(raw) for one, raw in zip(stored, raws or repeat(None), strict=False)]
    return [one if UNPARSABLE.isdisjoint(one.defects) else _EMPTY for one in again]


def _exact(blobs: LocalBlobs, segment: str, rows: pa.Table) -> Iterator[bytes | None]:
    """The exact bytes of messages with attachments (the others need not be parsed again); None for a message with
    damaged bytes, and for one that must not be parsed."""
    name = segment + RAW_SUFFIX
    frame: tuple[int, bytes] = (-1, b"")
    attached = rows.select(["attachments", "defects"]).to_pylist()
    for message, place in zip(attached, rows.select(_PLACE).to_pylist(), strict=True):
        if not message["attachments"] or not UNPARSABLE.isdisjoint(message["defects"]):
            yield None
            continue
        try:
            if frame[0] != place["frame_offset"]:
                packed = blobs.read(name, place["frame_offset"], place["frame_bytes"])
                frame = place["frame_offset"], open_frame(name, packed, place["frame_offset"])
            yield cut(name, frame[1], Location(**place))
        except FileDamaged as exc:
            _LOG.error("A message is analysed without its exact bytes: %s", exc)
            yield None


def _kept(blobs: LocalBlobs, old: str, keys: pa.Table, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The columns of the other analysers."""
    try:
        with analysis_file.opened(blobs, old) as parquet:
            table = parquet.read(use_threads=False)
            analysis_file.unified([table.schema])
        if not table.select(analysis_file.KEYS.names).equals(keys):
            raise FileDamaged(old, "its messages are not those of its segment")
    except FileDamaged as exc:
        _LOG.error("The analysis of the segment's messages is lost and will be repeated: %s", exc)
        return {}
    return {column: table[column] for column in table.column_names if column not in (*analysis_file.KEYS.names, *names)}

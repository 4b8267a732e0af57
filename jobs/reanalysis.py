"""Analyses the mail of a segment that was stored before, or by other versions of analysers. Commits nothing.

Messages are read back out of the segment's Parquet file; what it does not hold (the leading bytes of attachments) is
there for the analysers that say that they need it: for those, messages are parsed anew from their exact bytes.
What other analysers said stays as it is.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

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
from storage.segments import analysis_file
from storage.segments.file_names import PARQUET_SUFFIX, RAW_SUFFIX

_LOG = logging.getLogger(__name__)

#: What a field has that no column holds.
_EMPTY = parse(b"")
#: Messages that are analysed at a time.
_AT_ONCE = 200
_PLACE = ("size_bytes", "sha256", "frame_offset", "frame_bytes", "raw_offset")
_ATTACHMENT = tuple(field.name for field in fields(Attachment))


class NoSuchAnalyser(BackupError):
    """No analyser has this name. Name one that there is."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no analyser {self.name!r} on this cluster: correct the name."


@dataclass(frozen=True, slots=True)
class Analysers:
    """What is asked of messages.

    versions: analyser -> its version. run: gives a struct per named analyser, row by row the messages.
    exact: analysers that need more of a message than its segment's Parquet file holds.
    at_once: they are asked when mail is stored; else afterwards, when somebody wants it.
    """

    versions: Mapping[str, int]
    run: Callable[[Sequence[ParsedMessage], Sequence[str]], pa.Table]
    exact: frozenset[str] = frozenset()
    at_once: bool = True

    def outdated(self, stored: Mapping[str, int], only: Sequence[str] = ()) -> list[str]:
        """Which of them (of `only` these, if any) some row of a segment lacks, or has of an earlier version.

        Args:
            stored: as in the segment's manifest.
        """
        asked = [name for name in self.versions if not only or name in only]
        return [name for name in asked if stored.get(name, 0) < self.versions[name]]

    @property
    def of_new_mail(self) -> Callable[[Sequence[ParsedMessage]], pa.Table] | None:
        """What is asked of mail that is being stored; None: nothing."""
        return self.all if self.at_once else None

    def all(self, messages: Sequence[ParsedMessage]) -> pa.Table:
        """What every one of them says."""
        return self.run(messages, tuple(self.versions))


def reanalyse(
    archive: ArchiveConfig, segment: str, epoch: int, old: str | None, names: Sequence[str], analysers: Analysers
) -> AnalysisManifest:
    """Write a new analysis of a segment, in which these analysers have been asked again.

    Args:
        old: the file of its present analysis, whose other columns are kept; a damaged one is logged and left out.

    Raises:
        FileDamaged: the segment's own files.
        ArchiveUnusable: the archive takes no files.
    """
    blobs = open_blobs(archive.uri)
    name = segment + PARQUET_SUFFIX
    exact = bool(analysers.exact.intersection(names))
    keys, groups, fresh = [], [], []
    with analysis_file.opened(blobs, name) as parquet:
        for number in range(parquet.num_row_groups):
            table = parquet.read_row_group(number, use_threads=False)
            keys.append(table.select(analysis_file.KEYS.names))
            groups.append(table.num_rows)
            for start in range(0, table.num_rows, _AT_ONCE):
                rows = table.slice(start, _AT_ONCE)
                messages = list(_exact(blobs, segment, rows)) if exact else messages_of(rows)
                with stage("analysis"):
                    fresh.append(analysers.run(messages, names))
    whole = pa.concat_tables(keys)
    table = pa.concat_tables(fresh)
    if old is not None:
        for column, said in _kept(blobs, old, whole, names).items():
            table = table.append_column(column, said)
    try:
        return analysis_file.write(blobs, archive.zstd_level, segment, epoch, whole, table, groups)
    except OSError as exc:
        raise ArchiveUnusable(archive.uri, exc.strerror or str(exc)) from exc


def messages_of(rows: pa.Table) -> list[ParsedMessage]:
    """The messages of rows of schemas.MESSAGES, as they were parsed once."""
    columns: dict[str, list[Any]] = {field: rows[name].to_pylist() for name, field in COLUMNS.items()}
    columns["headers"] = [[(one["name"], one["value"]) for one in headers] for headers in columns["headers"]]
    columns["attachments"] = [
        [Attachment(**{name: part[name] for name in _ATTACHMENT}) for part in parts] for parts in columns["attachments"]
    ]
    return [_EMPTY._replace(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _exact(blobs: LocalBlobs, segment: str, rows: pa.Table) -> Iterator[ParsedMessage]:
    """The same, those with attachments parsed anew: the others lack nothing. One whose bytes are damaged, out of its
    row."""
    name = segment + RAW_SUFFIX
    frame: tuple[int, bytes] = (-1, b"")
    for message, place in zip(messages_of(rows), rows.select(_PLACE).to_pylist(), strict=True):
        if not message.attachments:
            yield message
            continue
        try:
            if frame[0] != place["frame_offset"]:
                packed = blobs.read(name, place["frame_offset"], place["frame_bytes"])
                frame = place["frame_offset"], open_frame(name, packed, place["frame_offset"])
            raw = cut(name, frame[1], Location(**place))
        except FileDamaged as exc:
            _LOG.error("A message is analysed without its exact bytes: %s", exc)
            yield message
        else:
            yield parsed(raw)


def _kept(blobs: LocalBlobs, old: str, keys: pa.Table, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """What the other analysers said."""
    try:
        with analysis_file.opened(blobs, old) as parquet:
            table = parquet.read(use_threads=False)
            analysis_file.unified([table.schema])
        if not table.select(analysis_file.KEYS.names).equals(keys):
            raise FileDamaged(old, "it tells of other messages than its segment")
    except FileDamaged as exc:
        _LOG.error("What was analysed of the segment's messages is lost, to be analysed again: %s", exc)
        return {}
    return {column: table[column] for column in table.column_names if column not in (*analysis_file.KEYS.names, *names)}

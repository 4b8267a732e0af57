"""Converts fetched mail to a segment: parses every message and writes the files. Commits nothing.

A malformed message never fails its segment: the parser records defects and continues. A batch that exhausts memory, and
a segment on which a worker was lost, is parsed message by message in a child process (jobs/isolation/parsing.py). A
batch that takes too much processor time ends the worker, so that a message that hangs the parser is found in seconds.
"""

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from itertools import accumulate

import pyarrow as pa

from jobs.isolation.config import ParseLimits
from jobs.isolation.frames import added_memory, cpu_limit
from jobs.isolation.parsing import IsolatedParser
from jobs.mime.message import ParsedMessage
from jobs.mime.parser import PARSER_FAILED, parse
from storage.config import ArchiveConfig
from storage.cpu_timer import stage
from storage.files.blobs import open_blobs
from storage.model.records import SegmentManifest
from storage.model.schemas import DOUBTS, MESSAGES
from storage.segments import analysis_file, writer

_LOG = logging.getLogger(__name__)

#: Analyses messages: returns one struct per analyser; the rows match the messages.
Analyse = Callable[[Sequence[ParsedMessage]], pa.Table]

#: Messages parsed before they are converted to columns, while they are still in the processor's cache (100 to 200
#: messages of 6 KB cost 6% less CPU than 2,000).
_AT_ONCE = 200

#: Column of schemas.MESSAGES -> the field of a parsed message that fills it, where the names differ.
_FIELDS = {"from": "from_", "rfc822_message_id": "message_id_header"}
#: Every column that a parsed message fills -> its field.
COLUMNS = {name: _FIELDS.get(name, name) for name in MESSAGES.names if _FIELDS.get(name, name) in ParsedMessage._fields}
_COLUMNS = tuple(
    (name, ParsedMessage._fields.index(_FIELDS.get(name, name)))
    for name in MESSAGES.names
    if _FIELDS.get(name, name) in ParsedMessage._fields and name not in ("headers", "attachments")
)


def write_segment(
    archive: ArchiveConfig,
    shard_id: int,
    epoch: int,
    tables: Sequence[pa.Table],
    skip: frozenset[tuple[int, int]] = frozenset(),
    analyse: Analyse | None = None,
    limits: ParseLimits | None = None,
    isolated: bool = False,
) -> tuple[SegmentManifest | None, pa.Table | None]:
    """Write one segment.

    Args:
        tables: schemas.FETCHED, of any mailboxes of the shard.
        skip: (user, message) to leave out.
        analyse: returns one struct per analyser; the rows match the messages; None: no analysis. If it raises, the mail
            is stored without an analysis, and can be analysed later.
        limits: of this process, while it parses; None: no limit. Nothing else may run in the process then, and beyond
            the limit of processor time the kernel ends the process.
        isolated: parse every message in a child process.

    Returns:
        The manifest and the rows for the message index; (None, None) when every message was skipped.

    Raises:
        ArchiveFull: less than the reserve is free; nothing was written.
        ArchiveUnusable, OSError: the files could not be written; written files are orphans.
    """
    blobs = open_blobs(archive.uri)
    blobs.require_room(archive.reserve_bytes)
    fetched = pa.concat_tables(tables, promote_options="default")
    if skip:
        keys = zip(fetched["user_id"].to_pylist(), fetched["message_id"].to_pylist(), strict=True)
        fetched = fetched.filter(pa.array([key not in skip for key in keys]))
    if fetched.num_rows == 0:
        return None, None
    fetched = writer.in_order(fetched)
    analyses = _Analyses(analyse)
    with _uncollected(), closing(IsolatedParser(limits or ParseLimits(), analyse)) as parser:
        batches = _Batches(analyses, parser, limits, isolated)
        starts = range(0, fetched.num_rows, _AT_ONCE)
        columns = pa.concat_tables(batches.parse(fetched["raw"].slice(start, _AT_ONCE)) for start in starts)
    if DOUBTS.name in fetched.column_names:
        columns = _with_defects(columns, fetched[DOUBTS.name])
    # In the child of an isolated segment, the words of each message were split within the message's own limits.
    with nullcontext() if isolated else _limited(limits, fetched["raw"].nbytes):
        manifest, index = writer.write(blobs, archive, shard_id, epoch, fetched, columns, analyses.table())
    return manifest, index


@contextmanager
def _limited(limits: ParseLimits | None, size_bytes: int) -> Iterator[None]:
    """End this process if the block takes more processor time than mail of this size may."""
    with cpu_limit(limits.cpu_s(size_bytes)) if limits else nullcontext():
        yield


class _Analyses:
    """The analyses of a segment's messages, collected in batches."""

    def __init__(self, analyse: Analyse | None) -> None:
        self._analyse = analyse
        self._tables: list[pa.Table | int] = []  # a number: so many messages without an analysis

    def add(self, messages: Sequence[ParsedMessage]) -> None:
        """Analyse the next messages.

        Raises:
            MemoryError: nothing was added.
        """
        if self._analyse is None:
            return
        try:
            with stage("analysis"):
                table = self._analyse(messages)
                if table.num_rows != len(messages):
                    raise ValueError(f"{table.num_rows} results for {len(messages)} messages")
                self._append(table)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - analysers contain their failures; after any other error, mail is stored
            self._give_up()

    def take(self, analysis: pa.Table | None) -> None:
        """Add the analysis of the next message; None: it has none."""
        if self._analyse is None:
            return
        try:
            self._append(1 if analysis is None else analysis)
        except ValueError:
            self._give_up()

    def _append(self, table: pa.Table | int) -> None:
        if not isinstance(table, int):
            analysis_file.unified([table.schema, *(one.schema for one in self._analysed()[:1])])
        self._tables.append(table)

    def _analysed(self) -> list[pa.Table]:
        return [table for table in self._tables if not isinstance(table, int)]

    def _give_up(self) -> None:
        _LOG.exception("A segment is stored without an analysis: run gbm analyze")
        self._analyse = None
        self._tables = []

    def table(self) -> pa.Table | None:
        """The collected table; None when nothing was analysed."""
        if not self._analysed():
            return None
        schema = analysis_file.unified(table.schema for table in self._analysed())
        return pa.concat_tables(
            pa.table([pa.nulls(table, field.type) for field in schema], schema=schema)
            if isinstance(table, int)
            else analysis_file.conformed(table, schema)
            for table in self._tables
        )


class _Batches:
    """Parses a segment's messages, in batches."""

    def __init__(self, analyses: _Analyses, parser: IsolatedParser, limits: ParseLimits | None, isolated: bool) -> None:
        self._analyses, self._parser, self._limits, self._isolated = analyses, parser, limits, isolated

    def parse(self, raws: pa.ChunkedArray) -> pa.Table:
        """The columns of the next messages; their analyses are collected."""
        contents = [raw.as_buffer().to_pybytes() for raw in raws]
        if not self._isolated:
            try:
                with (
                    _limited(self._limits, sum(map(len, contents))),
                    added_memory(self._limits.memory_bytes) if self._limits else nullcontext(),
                ):
                    return self._here(contents)
            except MemoryError:
                _LOG.warning("A batch of %d messages took too much memory: each is parsed alone", len(contents))
        return self._alone(contents)

    def _here(self, contents: Sequence[bytes]) -> pa.Table:
        with stage("parse"):
            messages = [parsed(raw) for raw in contents]
        with stage("columns"):
            columns = _parsed(messages)
        self._analyses.add(messages)
        return columns

    def _alone(self, contents: Sequence[bytes]) -> pa.Table:
        messages = []
        with stage("parse"):
            for raw in contents:
                read = self._parser.read(raw)
                messages.append(read.message)
                self._analyses.take(read.analysis)
        with stage("columns"):
            return _parsed(messages)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Disable the garbage collector: parsing creates no reference cycles, and searching thousands of messages for them
    takes 10% of the time (measured on 4,000 messages of 5 KB)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def parsed(raw: bytes) -> ParsedMessage:
    """Parse a message. The parser should never raise; a bug in it must cost one message's columns, not a segment.

    Raises:
        MemoryError.
    """
    try:
        return parse(raw)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - after any error the exact bytes are stored and the defect is recorded
        _LOG.exception("A message of %d bytes could not be parsed", len(raw))
        return parse(b"")._replace(defects=[PARSER_FAILED])


def _parsed(messages: Sequence[ParsedMessage]) -> pa.Table:
    fields = list(zip(*messages, strict=True))
    columns = {name: pa.array(fields[index], MESSAGES.field(name).type) for name, index in _COLUMNS}
    return pa.table({**columns, "headers": _headers(messages), "attachments": _attachments(messages)})


def _with_defects(columns: pa.Table, of_answers: pa.ChunkedArray) -> pa.Table:
    """The parsed columns, with what is doubtful about Gmail's answers among the defects."""
    both = zip(columns["defects"].to_pylist(), of_answers.to_pylist(), strict=True)
    merged = [list(dict.fromkeys([*parsed, *(doubtful or ())])) for parsed, doubtful in both]
    index = columns.schema.get_field_index("defects")
    return columns.set_column(index, "defects", pa.array(merged, MESSAGES.field("defects").type))


def _attachments(messages: Sequence[ParsedMessage]) -> pa.Array:
    rows = [[asdict(part) for part in message.attachments] if message.attachments else () for message in messages]
    return pa.array(rows, MESSAGES.field("attachments").type)


def _headers(messages: Sequence[ParsedMessage]) -> pa.Array:
    """Built from its parts: a dictionary per header would cost twice as much."""
    offsets = list(accumulate((len(message.headers) for message in messages), initial=0))
    kind = MESSAGES.field("headers").type
    fields = [kind.value_type.field(index) for index in range(kind.value_type.num_fields)]
    names = pa.array([name for message in messages for name, _ in message.headers], fields[0].type)
    values = pa.array([value for message in messages for _, value in message.headers], fields[1].type)
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays([names, values], fields=fields), kind
    )

"""Exports mail: a selection of one mailbox, or every mailbox, as of a time, in one format.

An export reads the state as of one time, so concurrent syncs do not affect it. Every message is verified against its
SHA-256. Damaged messages are reported and skipped.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from jobs.exporting import folders
from jobs.exporting.destination import destination, private_file, write_manifest
from jobs.exporting.mbox import MboxWriter
from jobs.exporting.parquet import ParquetWriter
from jobs.exporting.records import Damage, ExportSource, Report
from storage.files.blobs import FileDamaged, LocalBlobs
from storage.model.results import Stored
from storage.reader import MailboxReader
from storage.segments.frame_cache import Frames

#: Messages per batch: their index rows and, for Parquet, all their text are in memory at once.
_BATCH = 2000

OnBatch = Callable[[Report], None]
Mailbox = tuple[ExportSource, MailboxReader]


class _Writer(Protocol):
    def add(self, message: Stored, raw: bytes) -> None: ...


def export_messages(
    kind: str, mailbox: Mailbox, blobs: LocalBlobs, path: Path, force: bool = False, on_batch: OnBatch | None = None
) -> Report:
    """Export the exact bytes of messages.

    Args:
        kind: "mbox" (`path` is a file), "eml" or "maildir" (a folder).
        on_batch: called with the report after every batch.

    Raises:
        DestinationTaken, DestinationUnusable, InvalidQuery, DatabaseUnreachable.
    """
    source, reader = mailbox
    report, frames = Report(), Frames(blobs)
    with destination(path, force) as partial, _writer(kind, source, partial, report) as writer:
        for batch in reader.select(source.query, source.as_of, source.deleted, _BATCH):
            for message in batch:
                try:
                    raw = frames.raw(message)
                except FileDamaged as exc:
                    report.damaged.append(Damage(source.email, message.id, str(exc)))
                    continue
                writer.add(message, raw)
                report.add(message)
            if on_batch:
                on_batch(report)
    return report


def export_parquet(
    mailboxes: Sequence[Mailbox], path: Path, force: bool = False, on_batch: OnBatch | None = None
) -> Report:
    """Export the content of messages as Parquet into a folder. Raises as `export_messages`."""
    report = Report()
    with destination(path, force) as partial:
        partial.mkdir(mode=0o700)
        writer = ParquetWriter(partial)
        for source, reader in mailboxes:
            for batch in reader.select(source.query, source.as_of, source.deleted, _BATCH):
                for _, group in groupby(sorted(batch, key=_segment), key=_segment):
                    _add(writer, source, reader, list(group), report)
                if on_batch:
                    on_batch(report)
        writer.close()
        _tell(partial, "parquet", [source for source, _ in mailboxes], report)
    return report


def _add(
    writer: ParquetWriter, source: ExportSource, reader: MailboxReader, group: list[Stored], report: Report
) -> None:
    """Add messages of one segment."""
    try:
        content = reader.content(group)
    except FileDamaged as exc:
        report.damaged += [Damage(source.email, message.id, str(exc)) for message in group]
        return
    keys = zip(content["message_id"].to_pylist(), content["sha256"].to_pylist(), strict=True)
    rows = {key: row for row, key in enumerate(keys)}
    sound = []
    for message in group:
        if (message.message_id, message.location.sha256) in rows:
            sound.append(message)
            report.add(message)
        else:
            reason = str(FileDamaged(message.segment, "it lacks the message, or the message's SHA-256 differs"))
            report.damaged.append(Damage(source.email, message.id, reason))
    order = [rows[message.message_id, message.location.sha256] for message in sound]
    writer.add(source.email, sound, content.take(pa.array(order, pa.int64())))


@contextmanager
def _writer(kind: str, source: ExportSource, partial: Path, report: Report) -> Iterator[_Writer]:
    with ExitStack() as stack:
        if kind == "mbox":
            yield MboxWriter(stack.enter_context(private_file(partial)), source)
            return
        partial.mkdir(mode=0o700)
        index = stack.enter_context(private_file(partial / folders.INDEX))
        yield (folders.maildir if kind == "maildir" else folders.eml)(partial, index)
        _tell(partial, kind, [source], report)


def _tell(folder: Path, kind: str, sources: Sequence[ExportSource], report: Report) -> None:
    document = {
        "format": kind,
        "mailboxes": {source.email: {"as_of": source.as_of, "labels": source.labels} for source in sources},
        "query": sources[0].query if sources else "",
        **report.document(),
    }
    write_manifest(folder, document)


def _segment(message: Stored) -> str:
    return message.segment

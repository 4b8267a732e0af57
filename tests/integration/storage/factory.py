"""Made-up mail, stored as a shard's owner stores it. For every test that needs mail to read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Engine

from jobs.mime.message import ParsedMessage
from jobs.processing import Analyse, write_segment
from jobs.reanalysis import Analysers, reanalyse
from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.catalog.leases import Lease
from storage.config import ArchiveConfig
from storage.files.blobs import LocalBlobs
from storage.model.records import Commit, FailedItem, LabelChange, MailboxUpdate, Phase, SegmentManifest
from storage.model.schemas import FETCHED
from storage.reader import MailboxReader
from storage.segments.file_names import SPLIT_SUFFIX

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

_NUMBERS = count(1)


@dataclass(frozen=True)
class Mail:
    """A message; what a test does not care about fills itself in."""

    message_id: int
    subject: str = "Hello"
    text: str = "Good morning."
    sender: str = "Ann <ann@example.com>"
    to: str = "Bob <bob@example.com>"
    labels: tuple[str, ...] = ("INBOX",)
    received_at: datetime = NOON
    history_id: int = 10
    content: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The exact bytes."""
        if self.content is not None:
            return self.content
        head = (
            f"From: {self.sender}\r\nTo: {self.to}\r\nSubject: {self.subject}\r\nDate: Wed, 1 May 2024 12:00:00 +0000"
        )
        return f"{head}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{self.text}\r\n".encode()


def fetched(user_id: int, mails: Sequence[Mail]) -> pa.Table:
    """Mail as a fetch task hands it on."""
    rows = [
        {
            "user_id": user_id,
            "message_id": mail.message_id,
            "thread_id": mail.message_id,
            "history_id": mail.history_id,
            "received_at": mail.received_at,
            "labels": list(mail.labels),
            "snippet": mail.text[:40],
            "raw": mail.raw,
        }
        for mail in mails
    ]
    return pa.Table.from_pylist(rows, schema=FETCHED)


def echo(messages: Sequence[ParsedMessage], version: int = 1) -> pa.Table:
    """What an analyser says, `echo`: the subject of the message that it was given."""
    kind = pa.struct([pa.field("version", pa.int16(), nullable=False), ("error", pa.string()), ("said", pa.string())])
    rows = [{"version": version, "error": None, "said": message.subject} for message in messages]
    return pa.table({"echo": pa.array(rows, kind)})


class Shard:
    """A shard with its lease, in a shard database and an archive folder that other shards may share."""

    def __init__(self, engine: Engine, root: Path, lease: Lease | None = None) -> None:
        """A new shard, unless `lease` is of one that there is."""
        self.engine, self.shard_id = engine, lease.shard_id if lease else next(_NUMBERS)
        self.archive = ArchiveConfig(uri=root.as_uri())
        self.root, self.blobs, self.catalog = root, LocalBlobs(root), Catalog(engine)
        self.lease = lease or leases.acquire(engine, self.shard_id, "owner", "cluster", 60)

    def user(self) -> int:
        """A new mailbox."""
        user_id = next(_NUMBERS)
        self.catalog.open_mailbox(self.shard_id, user_id, f"user{user_id}@example.com")
        return user_id

    def write(
        self, *mailboxes: tuple[int, Sequence[Mail]], analyse: Analyse | None = None
    ) -> tuple[SegmentManifest, pa.Table]:
        """A segment's files, not committed."""
        tables = [fetched(user_id, mails) for user_id, mails in mailboxes]
        manifest, index = write_segment(self.archive, self.shard_id, self.lease.epoch, tables, analyse=analyse)
        assert manifest is not None
        return manifest, index

    def plan(
        self,
        users: Sequence[int],
        segment: SegmentManifest | None = None,
        changes: Sequence[LabelChange] = (),
        failed: Sequence[FailedItem] = (),
        settled: Sequence[tuple[int, int]] = (),
    ) -> Commit:
        """What this owner would commit; every mailbox is told to stand at cursor 20."""
        updates = tuple(MailboxUpdate(user_id, Phase.CURRENT, 20, None, 5, units=3, synced=True) for user_id in users)
        lease = self.lease
        return Commit(
            self.shard_id, lease.owner, lease.epoch, segment, updates, tuple(changes), tuple(failed), tuple(settled)
        )

    def store(self, user_id: int, *mails: Mail, indexed: bool = True, analyse: Analyse | None = None) -> str:
        """Store mail as one segment, with or without a word index; returns its name."""
        manifest, index = self.write((user_id, mails), analyse=analyse)
        if not indexed:
            self.blobs.delete(manifest.name + SPLIT_SUFFIX)
            manifest = replace(manifest, words_bytes=None)
        assert self.catalog.commit(self.plan([user_id], manifest), index)
        return manifest.name

    def reanalyse(self, version: int) -> None:
        """Have `echo` of another version say of every segment what it says."""
        analysers = Analysers({"echo": version}, lambda messages, _names: echo(messages, version))
        for segment in self.catalog.analysed(self.shard_id):
            old, epoch = segment.analysis, self.lease.epoch
            new = reanalyse(self.archive, segment.name, epoch, old, ["echo"], analysers)
            assert self.catalog.reanalysed(self.lease, segment.name, old, new)

    def analyses(self) -> dict[str, str]:
        """Segment -> the file of its analysis, of those that have one."""
        return {one.name: one.analysis for one in self.catalog.analysed(self.shard_id) if one.analysis}

    def change(self, user_id: int, *changes: tuple[int, str, bool], history_id: int = 15) -> None:
        """Commit label changes (message, label, on)."""
        made = [LabelChange(user_id, message, label, on, history_id) for message, label, on in changes]
        self.catalog.commit(self.plan([user_id], changes=made))

    def reader(self, user_id: int) -> MailboxReader:
        """A user's mail, to read."""
        return MailboxReader(user_id, self.engine, self.blobs)


def under(plan: Commit, epoch: int) -> Commit:
    """The same commit under another epoch."""
    return replace(plan, epoch=epoch)

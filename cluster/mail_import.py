"""Imports mail of other programs into the archive: reads, recognises duplicates, writes segments, commits.

Messages are taken in the source's order; each commit records how many are done, so that an interrupted import goes on
there. Memory holds two batches (16 MiB of mail each, or one message), and 200 bytes for each message of the mailbox, by
which duplicates are recognised.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.stores import Stores
from jobs.importing.foreign import Foreign, Identity, header_key, identity, is_made, label_id, of_file, of_mbox
from jobs.importing.got_your_back import DATABASE, gyb_messages
from jobs.importing.label_names import system_label
from jobs.importing.mail_files import MESSAGE_MAX_BYTES, read_mail
from jobs.processing import write_segment
from storage.catalog.imports import ImportBatch, ImportOvertaken, ImportProgress, Imports, Origin
from storage.catalog.leases import Lease, LeaseLost
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.files.blobs import FileDamaged
from storage.model.records import LabelRow, SegmentManifest, User
from storage.model.schemas import FETCHED
from storage.model.storable import storable
from storage.model.time_range import EARLIEST, LATEST
from storage.segments.file_names import PARQUET_SUFFIX

_LOG = logging.getLogger(__name__)
#: Times that a batch is written again because the shard got another owner, or a message was stored meanwhile.
_ATTEMPTS = 20
_HEADER_COLUMNS = ("user_id", "message_id", "rfc822_message_id", "from", "date", "subject")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


class ImportUnsettled(BackupError):
    """A batch could not be committed. Import again: it goes on where it was."""

    def __str__(self) -> str:
        return "The shard changed its owner again and again, so nothing was stored: run the import again, it continues."


@dataclass(slots=True)
class Imported:
    """What an import did, in all its runs. skipped: (name, reason) of this run; of_gmail: stored under Gmail's ids."""

    position: int = 0
    stored: int = 0
    duplicates: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    new_labels: set[str] = field(default_factory=set)
    size_bytes: int = 0
    of_gmail: int = 0


def import_mail(stores: Stores, user: User, path: Path, on_progress: Callable[[Imported], None]) -> Imported:
    """Import everything at a path into a mailbox.

    Raises:
        MailNotFound, MailUnreadable, MailTooLarge, GybUnreadable: what is there cannot be read; what was stored stays.
        ImportElsewhere, LeaseHeld, ShardMoving, ImportUnsettled, ArchiveUnusable, DatabaseUnreachable.
    """
    engine = stores.databases.shard_database(stores.shards[user.shard_id])
    imports = Imports(engine, user.shard_id, user.user_id)
    source = str(path.resolve())
    import_id = hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    begun = imports.begin(import_id, source.encode("utf-8", "replace").decode(), fingerprint(path))
    try:
        return _Importing(stores, user, path, imports, import_id, begun, on_progress).run()
    finally:
        imports.release()


def fingerprint(path: Path) -> str:
    """Of the names, sizes and times of a source's files: of another, positions mean something else."""
    digest = hashlib.sha256()
    paths = (
        sorted(Path(parent, name) for parent, _, names in os.walk(path) for name in names) if path.is_dir() else [path]
    )
    for each in paths:
        if each.is_file() and not each.is_symlink():
            status = each.stat()
            text = f"{each.relative_to(path) if each != path else each.name}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(text.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


class _Known:
    """By what the mailbox's messages are recognised."""

    def __init__(self, stores: Stores, user: User, imports: Imports) -> None:
        self.ids: set[int] = set()
        self._by_digest: dict[bytes, int] = {}
        self._by_headers: dict[bytes, int] = {}
        for message_id, digest in imports.digests():
            self._add(message_id, digest)
        engine = stores.databases.shard_database(stores.shards[user.shard_id])
        with transaction(engine) as connection:
            values = {"user_id": user.user_id, "first_at": EARLIEST, "last_at": LATEST}
            names = [row.name for row in connection.execute(query("segments_of_user"), values)]
        for name in names:
            self._read(stores.blobs.location(name + PARQUET_SUFFIX), name, user.user_id)

    def _read(self, file: str, name: str, user_id: int) -> None:
        """The headers of a segment's messages; of a damaged one, messages are recognised by their bytes alone."""
        try:
            with pa.OSFile(file) as opened:
                parquet = pq.ParquetFile(opened, page_checksum_verification=True)
                for batch in parquet.iter_batches(10_000, columns=list(_HEADER_COLUMNS), use_threads=False):
                    columns = [batch[column].to_pylist() for column in _HEADER_COLUMNS]
                    for owner, message_id, own, sender, date, subject in zip(*columns, strict=True):
                        if owner == user_id and own and not is_made(message_id):
                            self._by_headers.setdefault(header_key(own, sender, date, subject), message_id)
        except (OSError, pa.ArrowException, FileDamaged) as exc:
            _LOG.warning("The headers of segment %s cannot be read: %s", name, exc)

    def match(self, message: Foreign, found: Identity) -> tuple[int, str] | None:
        """The stored message that it is, and by what it is known.

        Gmail's id decides where it is known: a mailbox can have the same bytes twice. Headers are compared with Gmail's
        messages only, so that no two messages of a source count as one unless their bytes are equal.
        """
        if message.message_id is not None:
            return (message.message_id, "id") if message.message_id in self.ids else None
        if (there := self._by_digest.get(found.digest[:16])) is not None:
            return there, "content"
        if found.headers is not None and (there := self._by_headers.get(found.headers)) is not None:
            return there, "headers"
        return None

    def add(self, message_id: int, found: Identity) -> None:
        """A message that is going to be stored."""
        self._add(message_id, found.digest)
        if found.headers is not None and not is_made(message_id):
            self._by_headers.setdefault(found.headers, message_id)

    def _add(self, message_id: int, digest: bytes) -> None:
        self.ids.add(message_id)
        self._by_digest.setdefault(digest[:16], message_id)


@dataclass(slots=True)
class _Batch:
    """Messages of a source, and those of them that are to be stored."""

    first: int
    position: int
    rows: list[dict[str, object]] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    size_bytes: int = 0


class _Importing:
    """One run of an import."""

    def __init__(
        self,
        stores: Stores,
        user: User,
        path: Path,
        imports: Imports,
        import_id: str,
        begun: ImportProgress,
        on_progress: Callable[[Imported], None],
    ) -> None:
        self._stores, self._user, self._path, self._imports = stores, user, path, imports
        self._import_id, self._on_progress = import_id, on_progress
        self._archive = stores.config.archive
        self._ended = begun.ended_at is not None
        self.done = Imported(begun.position, begun.stored, begun.duplicates)
        self._labels = {label.name: label.id for label in stores.reader(user).labels() if label.type != "system"}
        self._fresh: dict[str, LabelRow] = {}

    def run(self) -> Imported:
        """Import what is left."""
        if self._ended:
            return self.done
        known = _Known(self._stores, self._user, self._imports)
        batch = _Batch(self.done.position, self.done.position)
        for message in self._messages(self.done.position):
            batch.position += 1
            if message is not None:
                self._take(batch, message, known)
            full = batch.size_bytes >= self._archive.segment_bytes or len(batch.rows) >= self._archive.segment_messages
            if full or batch.position - batch.first >= 10 * self._archive.segment_messages:
                self._store(batch, ended=False)
                batch = _Batch(batch.position, batch.position)
        self._store(batch, ended=True)
        return self.done

    def _messages(self, start: int) -> Iterator[Foreign | None]:
        def skipped(name: str, reason: str) -> None:
            self.done.skipped.append((name, reason))

        if self._path.is_dir() and (self._path / DATABASE).is_file():
            yield from gyb_messages(self._path, start, MESSAGE_MAX_BYTES, skipped)
            return
        is_folder = self._path.is_dir()
        for number, mail in enumerate(read_mail(self._path, skipped)):
            if number < start:
                continue
            if not mail.postmark:
                yield of_file(mail.raw, mail.name if is_folder or self._is_archive() else f"{self._path.name}")
                continue
            message = of_mbox(mail.raw, mail.name, mail.postmark, mail.is_closed)
            if not message.labels and not message.label_ids and message.thread_id is None:
                message = _in_folder(message)
            yield message

    def _is_archive(self) -> bool:
        return self._path.name.lower().endswith(_ARCHIVES)

    def _take(self, batch: _Batch, message: Foreign, known: _Known) -> None:
        found = identity(message)
        number = batch.position - 1
        origin = storable(message.origin)[:1000]
        if (match := known.match(message, found)) is not None:
            batch.origins.append(Origin(number, match[0], origin, match[1]))
            return
        message_id = message.message_id if message.message_id is not None else found.message_id
        known.add(message_id, found)
        batch.origins.append(Origin(number, message_id, origin, "stored"))
        batch.size_bytes += len(message.raw)
        self.done.of_gmail += not is_made(message_id)
        batch.rows.append(
            {
                "user_id": self._user.user_id,
                "message_id": message_id,
                "thread_id": message.thread_id if message.thread_id is not None else found.thread_id,
                "history_id": 0,  # whatever Gmail says of the message is newer
                "received_at": found.received_at,
                "labels": self._label_ids(message),
                "snippet": "",
                "raw": message.raw,
            }
        )

    def _label_ids(self, message: Foreign) -> list[str]:
        """The ids of a message's labels; a name that is new to the mailbox becomes a label of its owner's."""
        ids = list(message.label_ids)
        for name in () if ids else message.labels:
            is_system, system = system_label(name)
            if is_system:
                ids += [system] if system else []
            else:
                ids.append(self._user_label(name))
        for exact in message.label_ids:
            if not system_label(exact)[0] and exact not in self._labels.values():
                self._fresh.setdefault(exact, LabelRow(exact, exact, "user"))
        return list(dict.fromkeys(ids))

    def _user_label(self, name: str) -> str:
        if name not in self._labels:
            made = label_id(name)
            self._labels[name] = made
            self._fresh[made] = LabelRow(made, name, "user")
            self.done.new_labels.add(name)
        return self._labels[name]

    def _store(self, batch: _Batch, ended: bool) -> None:
        table = pa.Table.from_pylist(batch.rows, schema=FETCHED) if batch.rows else None
        for _ in range(_ATTEMPTS):
            lease = self._imports.lease()
            segment, index = self._written(lease, table)
            labels = list(self._fresh.values())
            record = ImportBatch(batch.first, batch.position, batch.origins, labels, ended)
            try:
                self._imports.commit(lease, self._import_id, record, segment, index)
            except LeaseLost:
                continue
            except ImportOvertaken:
                table = self._without_stored(batch, table)
                continue
            self._count(batch, segment)
            return
        raise ImportUnsettled

    def _written(self, lease: Lease, table: pa.Table | None) -> tuple[SegmentManifest | None, pa.Table | None]:
        if table is None or not table.num_rows:
            return None, None
        return write_segment(self._archive, lease.shard_id, lease.epoch, [table])

    def _without_stored(self, batch: _Batch, table: pa.Table | None) -> pa.Table | None:
        """The batch without what was stored meanwhile, which is found by its id."""
        if table is None:
            return None
        stored = self._stores.catalog(self._user).known(self._user.user_id, table["message_id"].to_pylist())
        batch.origins = [
            Origin(each.position, each.message_id, each.origin, "id")
            if each.known_by == "stored" and each.message_id in stored
            else each
            for each in batch.origins
        ]
        return table.filter(pa.array([key not in stored for key in table["message_id"].to_pylist()], pa.bool_()))

    def _count(self, batch: _Batch, segment: SegmentManifest | None) -> None:
        stored = segment.messages if segment else 0
        self.done.position = batch.position
        self.done.stored += stored
        self.done.duplicates += len(batch.origins) - stored
        self.done.size_bytes += segment.size_bytes if segment else 0
        self._fresh.clear()
        self._on_progress(self.done)


def _in_folder(message: Foreign) -> Foreign:
    """A message of an mbox without Gmail's labels: the file's name is that of a folder."""
    file = message.origin.rpartition(":")[0]
    folder = Path(file).name
    for suffix in (".mbox", ".mbx"):
        folder = folder.removesuffix(suffix)
    return replace(message, labels=(folder,))

"""Stores mail of other programs beside the mail from Gmail: its segments, its origins, and how far an import is.

An import works under the lease of the shard's owner, if it has one, and otherwise takes the lease itself. It writes
what the owner never writes, and adds to the mailbox's counts, so that neither overwrites the other's state; the epoch
fences its commits like the owner's.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from storage.catalog import leases
from storage.catalog.commit_events import received_events
from storage.catalog.index_copy import copy_index
from storage.catalog.leases import ARRIVING, MOVED, MOVING, REBUILDING, Lease, LeaseHeld, LeaseLost, ShardMoving
from storage.catalog.segment_records import record_segment
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.publishing import publish
from storage.model.records import LabelRow, SegmentManifest

#: The name in the lease of a shard without an owner, and its duration.
CLUSTER, TTL_S = "gbm:import", 60.0
_ROWS = 10_000


class ImportElsewhere(BackupError):
    """Another program imports the same source into the same mailbox. Wait until it has ended."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.source = source

    def __str__(self) -> str:
        return f"Another program imports {self.source} into this mailbox: wait until it has ended, then import again."


class ImportOvertaken(BackupError):
    """A message of the batch was stored meanwhile; nothing was committed. Look for duplicates again."""

    def __str__(self) -> str:
        return "A sync stored a message of the batch first, so nothing was committed: run the import again."


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is. position: messages of the source that are done; ended_at: None: some are left."""

    position: int
    stored: int
    duplicates: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from. message_id: of the stored message; known_by: stored, id, content or headers."""

    position: int
    message_id: int
    origin: str
    known_by: str


@dataclass(frozen=True, slots=True)
class ImportBatch:
    """What one commit records. first, position: of the source, before and after it."""

    first: int
    position: int
    origins: Sequence[Origin]
    labels: Sequence[LabelRow]
    ended: bool = False


class Imports:
    """Imports into one mailbox. Blocking."""

    def __init__(self, engine: Engine, shard_id: int, user_id: int) -> None:
        self._engine, self._shard_id, self._user_id = engine, shard_id, user_id
        self._own: Lease | None = None

    def begin(self, import_id: str, source: str, fingerprint: str) -> ImportProgress:
        """Begin an import or go on with it; from the beginning if the source has another fingerprint."""
        values = {"user_id": self._user_id, "import_id": import_id, "source": source, "fingerprint": fingerprint}
        with transaction(self._engine) as connection:
            return ImportProgress(*connection.execute(query("import_begin"), values).one())

    def digests(self) -> Iterator[tuple[int, bytes]]:
        """Id and SHA-256 of every message of the mailbox."""
        with transaction(self._engine) as connection:
            streaming = connection.execution_options(yield_per=_ROWS)
            for row in streaming.execute(query("digests_all_of_user"), {"user_id": self._user_id}):
                yield row.message_id, bytes(row.sha256)

    def lease(self) -> Lease:
        """The lease to write under: the owner's, or our own.

        Raises:
            LeaseHeld, ShardMoving.
        """
        if self._own is not None:
            try:
                leases.renew(self._engine, self._own, TTL_S)
                return self._own
            except LeaseLost:
                self._own = None
        with transaction(self._engine) as connection:
            row = connection.execute(query("lease_current"), {"shard_id": self._shard_id}).first()
        if row is None:
            self._own = leases.acquire(self._engine, self._shard_id, f"import-{uuid.uuid4().hex}", CLUSTER, TTL_S)
            return self._own
        if row.cluster in (MOVING, MOVED, ARRIVING):
            raise ShardMoving(self._shard_id)
        if row.cluster in (CLUSTER, REBUILDING):  # an unfinished rebuild does not know all stored mail
            raise LeaseHeld(self._shard_id, row.cluster, TTL_S)
        return Lease(self._shard_id, row.owner, row.epoch)

    def release(self) -> None:
        """Give our own lease back."""
        if self._own is not None:
            leases.release(self._engine, self._own)
            self._own = None

    def commit(
        self, lease: Lease, import_id: str, batch: ImportBatch, segment: SegmentManifest | None, index: pa.Table | None
    ) -> None:
        """Commit a batch in one transaction.

        Raises:
            LeaseLost: write the segment again, under the new lease.
            ImportOvertaken: look for duplicates again.
            ImportElsewhere: another run goes on with this import.
            DatabaseUnreachable: the outcome is unknown; begin again.
        """
        values = {"user_id": self._user_id, "import_id": import_id}
        stored = segment.messages if segment else 0
        try:
            with transaction(self._engine) as connection:
                leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
                moved = {
                    "first": batch.first,
                    "position": batch.position,
                    "stored": stored,
                    "duplicates": len(batch.origins) - stored,
                    "ended": batch.ended,
                }
                if connection.execute(query("import_move"), {**values, **moved}).rowcount != 1:
                    raise ImportElsewhere(import_id)
                if segment is not None and index is not None:
                    segment_id = record_segment(connection, segment)
                    assert segment_id is not None, "a segment's name is new"
                    copy_index(connection, index, segment_id)
                    counts = {"messages": stored, "size_bytes": segment.size_bytes}
                    connection.execute(query("mailbox_count"), {"user_id": self._user_id, **counts})
                if batch.labels:
                    connection.execute(query("labels_upsert"), {"user_id": self._user_id, **_columns(batch.labels)})
                if batch.origins:
                    columns = {
                        "positions": [each.position for each in batch.origins],
                        "message_ids": [each.message_id for each in batch.origins],
                        "origins": [each.origin for each in batch.origins],
                        "kinds": [each.known_by for each in batch.origins],
                    }
                    connection.execute(query("message_origins_insert"), {**values, **columns})
                if segment is not None and index is not None:  # last: the shard's counter of events stays locked
                    publish(connection, self._shard_id, received_events(index, segment.name))
        except IntegrityError as exc:
            raise ImportOvertaken from exc


def _columns(labels: Sequence[LabelRow]) -> dict[str, list[str | None]]:
    return {
        "label_ids": [label.label_id for label in labels],
        "names": [label.name for label in labels],
        "types": [label.type for label in labels],
        "visibilities": [label.visibility for label in labels],
        "colors": [label.color for label in labels],
    }

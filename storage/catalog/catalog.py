"""The write side of a shard's database.

`commit` is one transaction under the shard lease's epoch: it records a segment, fills the message index, folds label
changes, advances mailboxes' cursors, records failed items and appends domain events. Repeating a commit is a no-op.
Called by the owner of the shard (actors/); readers use storage/reader.py.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from storage.catalog import leases
from storage.catalog.commit_events import analysed_events, events_of, mailbox_states
from storage.catalog.folding import fold_changes, keys_of
from storage.catalog.index_copy import copy_index
from storage.catalog.leases import Lease
from storage.catalog.segment_records import record_analysis, record_segment
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.publishing import publish
from storage.failpoints import FailPoint, hit
from storage.model.records import (
    AnalysedSegment,
    AnalysisManifest,
    Commit,
    FailedItem,
    FailedKind,
    LabelRow,
    MailboxRecord,
    StoredLabels,
)
from storage.model.time_range import EARLIEST, LATEST

_STREAM_ROWS = 10_000


class AlreadyStored(BackupError):
    """Messages of this segment are already in the index; nothing was committed. Write the segment without them."""

    def __init__(self, keys: frozenset[tuple[int, int]]) -> None:
        super().__init__(keys)
        self.keys = keys

    def __str__(self) -> str:
        return f"{len(self.keys)} messages of this segment are already stored: write the segment without them."


class AnalysisOutdated(BackupError):
    """A segment was merged or analysed again; nothing was committed. Analyse the current segments."""

    def __init__(self, segment: str) -> None:
        super().__init__(segment)
        self.segment = segment

    def __str__(self) -> str:
        return f"The segment {self.segment} was merged or re-analysed concurrently: analyse the current segments."


class Catalog:
    """Writes to one shard database, for the owner of a shard. Blocking: call it from a thread."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def open_mailbox(self, shard_id: int, user_id: int, email: str) -> MailboxRecord:
        """The mailbox's state; creates the mailbox on first use. A renewed grant ends the phase REVOKED.

        Raises:
            ShardMoving: the shard may not be written here; read the shard map again.
        """
        with transaction(self.engine) as connection:
            values = {"user_id": user_id, "shard_id": shard_id, "email": email}
            leases.require_here(connection, shard_id)
            connection.execute(query("mailbox_open"), values)
            return MailboxRecord.of(connection.execute(query("mailbox"), {"user_id": user_id}).one()._asdict())

    def mailboxes(self, shard_id: int) -> list[MailboxRecord]:
        """Every mailbox of a shard, by user id."""
        with transaction(self.engine) as connection:
            rows = connection.execute(query("mailboxes_of_shard"), {"shard_id": shard_id})
            return [MailboxRecord.of(row._asdict()) for row in rows]

    def failed(self, shard_id: int) -> list[FailedItem]:
        """Every failed item of a shard's mailboxes."""
        with transaction(self.engine) as connection:
            rows = connection.execute(query("failed_of_shard"), {"shard_id": shard_id})
            return [
                FailedItem(
                    row.user_id,
                    row.message_id,
                    row.attempts,
                    row.error,
                    row.not_before,
                    FailedKind(row.kind),
                    row.first_at,
                )
                for row in rows
            ]

    def known(self, user_id: int, message_ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
        """Those of the messages that are stored: their threads, and whether they count as deleted."""
        with transaction(self.engine) as connection:
            values = {"user_id": user_id, "message_ids": list(message_ids)}
            rows = connection.execute(query("messages_known"), values)
            return {row.message_id: (row.thread_id, row.deleted) for row in rows}

    def unknown(self, user_id: int, message_ids: Sequence[int]) -> list[int]:
        """Those of the messages that are not stored, in the order given."""
        known = self.known(user_id, message_ids)
        return [message_id for message_id in message_ids if message_id not in known]

    def carried_labels(self, user_id: int) -> list[str]:
        """The labels that the mailbox's messages carry."""
        with transaction(self.engine) as connection:
            return list(connection.execute(query("labels_carried"), {"user_id": user_id}).scalars())

    def stored_labels(self, user_id: int, before: int) -> StoredLabels:
        """The labels of the messages that were last seen at a history id or before it, read in a stream."""
        message_ids, deleted = array("q"), []
        rows: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        with transaction(self.engine) as connection:
            connection = connection.execution_options(yield_per=_STREAM_ROWS)
            values = {"user_id": user_id, "before": before}
            for row, (message_id, is_deleted, labels) in enumerate(connection.execute(query("stored_labels"), values)):
                message_ids.append(message_id)
                deleted.append(is_deleted)
                for label_id in labels:
                    rows[label_id].append(row)
        return StoredLabels(message_ids, deleted, dict(rows))

    def segment_names(self, shard_id: int) -> set[str]:
        """The names of all committed segments of a shard, including segments merged into others."""
        with transaction(self.engine) as connection:
            return set(connection.execute(query("segment_names"), {"shard_id": shard_id}).scalars())

    def rollup_names(self, shard_id: int) -> set[str]:
        """The names of a shard's recorded roll-ups."""
        with transaction(self.engine) as connection:
            return set(connection.execute(query("rollup_names"), {"shard_id": shard_id}).scalars())

    def save_labels(self, user_id: int, labels: Iterable[LabelRow | tuple[str, str, str]]) -> None:
        """Keep a mailbox's labels as Gmail defines them now; what they were goes to their history.

        Args:
            labels: (id, name, type), or more of each.
        """
        rows = list({label[0]: LabelRow(*label) for label in labels}.values())
        values = {
            "user_id": user_id,
            "label_ids": [label.label_id for label in rows],
            "names": [label.name for label in rows],
            "types": [label.type for label in rows],
            "visibilities": [label.visibility for label in rows],
            "colors": [label.color for label in rows],
        }
        with transaction(self.engine) as connection:
            connection.execute(query("labels_upsert"), values)

    def commit(self, plan: Commit, index: pa.Table | None = None) -> bool:
        """Commit every change of the plan in one transaction.

        Args:
            index: rows of `schemas.INDEX` for the plan's segment; None exactly when the plan has no segment.

        Returns:
            False when the segment was committed before, so nothing changed.

        Raises:
            LeaseLost: the epoch is over.
            AlreadyStored: some messages are in the index; nothing was committed.
            DatabaseUnreachable: the outcome is unknown; repeat the commit.
        """
        try:
            with transaction(self.engine) as connection:
                leases.fence(connection, plan.shard_id, plan.owner, plan.epoch)
                if plan.segment is not None:
                    segment_id = record_segment(connection, plan.segment)
                    if segment_id is None:
                        return False
                    if index is None or index.num_rows != plan.segment.messages:
                        raise ValueError("a segment needs index rows, and index rows need a segment")
                    hit(FailPoint.COMMIT_RECORDED)
                    copy_index(connection, index, segment_id)
                    hit(FailPoint.COMMIT_INDEXED)
                applied = fold_changes(connection, plan.changes)
                before = mailbox_states(connection, plan)
                _update_mailboxes(connection, plan)
                _file_failures(connection, plan)
                publish(connection, plan.shard_id, events_of(plan, index, applied, before))
                hit(FailPoint.COMMIT_FOLDED)
        except IntegrityError as exc:
            if plan.segment is None or index is None:
                raise
            stored = self._stored(index)
            if not stored:  # the segment has a message twice: writing the segment again would not help
                raise
            raise AlreadyStored(stored) from exc
        hit(FailPoint.COMMIT_DONE)
        return True

    def reanalysed(self, lease: Lease, segment: str, old: str | None, new: AnalysisManifest) -> bool:
        """Replace a segment's analysis in one transaction. old: the name of the current analysis; None: it has none.

        Returns:
            False when the analysis was replaced before, so nothing changed.

        Raises:
            LeaseLost: the epoch is over.
            AnalysisOutdated: the segment is no longer live, or its analysis is not `old`; nothing changed.
            DatabaseUnreachable: the outcome is unknown; repeat the call.
        """
        with transaction(self.engine) as connection:
            leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
            values = {"shard_id": lease.shard_id, "names": [segment]}
            live = connection.execute(query("segments_locked"), values).first()
            if live is None:
                raise AnalysisOutdated(segment)
            segment_ids = [live.segment_id]
            current = connection.execute(query("analyses_current"), {"segment_ids": segment_ids}).first()
            current_name = current.name if current else None
            if current_name == new.name:
                return False
            if current_name != old:
                raise AnalysisOutdated(segment)
            connection.execute(query("analyses_retire"), {"segment_ids": segment_ids})
            record_analysis(connection, lease.shard_id, live.segment_id, new)
            publish(connection, lease.shard_id, analysed_events(connection, live.segment_id, segment, new))
            hit(FailPoint.ANALYSIS_REPLACED)
        return True

    def analysed(self, shard_id: int, user_ids: Sequence[int] | None = None) -> list[AnalysedSegment]:
        """The live segments of a shard and their analyses, oldest first.

        Args:
            user_ids: only segments with mail of these users.
        """
        with transaction(self.engine) as connection:
            rows = connection.execute(query("segments_analysed"), {"shard_id": shard_id})
            segments = [AnalysedSegment(**row._mapping) for row in rows]
            if user_ids is None:
                return segments
            whole = {"first_at": EARLIEST, "last_at": LATEST}
            of_users = {
                row.name
                for user_id in user_ids
                for row in connection.execute(query("segments_of_user"), {"user_id": user_id, **whole})
            }
        return [analysed for analysed in segments if analysed.name in of_users]

    def analyses(self, shard_id: int, before: datetime) -> dict[str, bool]:
        """The recorded analysis files of a shard; True: retired before this time, so without readers."""
        with transaction(self.engine) as connection:
            values = {"shard_id": shard_id, "before": before}
            return {row.name: row.is_past for row in connection.execute(query("analyses_of_shard"), values)}

    def _stored(self, index: pa.Table) -> frozenset[tuple[int, int]]:
        wanted = defaultdict(list)
        for user_id, message_id in zip(index["user_id"].to_pylist(), index["message_id"].to_pylist(), strict=True):
            wanted[user_id].append(message_id)
        return frozenset(
            (user_id, message_id)
            for user_id, message_ids in wanted.items()
            for message_id in set(message_ids) - set(self.unknown(user_id, message_ids))
        )


def _update_mailboxes(connection: Connection, plan: Commit) -> None:
    counted = {user.user_id: user for user in plan.segment.users} if plan.segment else {}
    updated = {update.user_id for update in plan.mailboxes}
    if missing := counted.keys() - updated:
        raise ValueError(f"users {sorted(missing)} have mail in the segment but no update in the commit")
    rows = [
        {
            "user_id": update.user_id,
            "shard_id": plan.shard_id,
            "phase": update.phase.value,
            "cursor": update.cursor,
            "pinned": update.pinned,
            "estimate": update.estimate,
            "units": update.units,
            "error": update.error,
            "synced": update.synced,
            "listed": update.listed,
            "reading_from": update.reading_from,
            "reconciled": update.reconciled,
            "resume": update.resume.value if update.resume else None,
            "messages": counted[update.user_id].messages if update.user_id in counted else 0,
            "size_bytes": counted[update.user_id].size_bytes if update.user_id in counted else 0,
        }
        for update in plan.mailboxes
    ]
    if rows:
        connection.execute(query("mailbox_update"), rows)


def _file_failures(connection: Connection, plan: Commit) -> None:
    if plan.failed:
        connection.execute(
            query("failed_upsert"),
            {
                "user_ids": [item.user_id for item in plan.failed],
                "message_ids": [item.message_id for item in plan.failed],
                "attempts": [item.attempts for item in plan.failed],
                "errors": [item.error for item in plan.failed],
                "not_before": [item.not_before for item in plan.failed],
                "kinds": [item.kind.value for item in plan.failed],
            },
        )
    if plan.settled:
        connection.execute(query("failed_settle"), keys_of(plan.settled))
    if plan.unreadable:
        items = {(item.user_id, item.item): item for item in plan.unreadable}
        values = {
            "user_ids": [user_id for user_id, _ in items],
            "items": [item for _, item in items],
            "places": [item.where for item in items.values()],
        }
        connection.execute(query("unreadable_upsert"), values)


def ping(engine: Engine) -> None:
    """Raise DatabaseUnreachable unless the database answers."""
    with transaction(engine) as connection:
        connection.execute(text("SELECT 1"))

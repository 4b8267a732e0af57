"""The catalog's side of compaction: the live segments, and the transaction that replaces merged segments.

The message index is not rewritten. A message keeps the id of the segment in which it was written; that segment's row
says which files have its frames now, and how far the frames moved (the view `segment_files`). A merge therefore updates
one row per merged segment, and one per segment merged into those earlier (10,000 rows: 0.4 s). The join makes a list of
50 messages 3% slower and a lookup 7% (200,000 messages in 20,000 segments). Only re-packed messages are updated.
Called by the owner of the shard (actors/); blocking.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from storage.catalog import leases
from storage.catalog.leases import Lease
from storage.catalog.segment_records import record_segment
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.control_types import SegmentsCompacted
from storage.events.mailbox_types import MessagesDamaged
from storage.events.publishing import Publication, publish
from storage.failpoints import FailPoint, hit
from storage.model.message_id import to_hex
from storage.model.records import LiveSegment, Merged

if TYPE_CHECKING:
    import pyarrow as pa

#: Most ids of damaged messages that an event contains.
_REPORTED_IDS = 100


class CompactionOutdated(BackupError):
    """The merged segments are no longer the shard's current ones; nothing was committed. Re-plan the compaction."""

    def __init__(self, shard_id: int, names: tuple[str, ...]) -> None:
        super().__init__(shard_id, names)
        self.shard_id, self.names = shard_id, names

    def __str__(self) -> str:
        return f"{len(self.names)} merged segments of shard {self.shard_id} have changed: plan the compaction again."


class Compactions:
    """The segments of the shards of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def live(self, shard_id: int) -> list[LiveSegment]:
        """The live segments of a shard, smallest first."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("segments_live"), {"shard_id": shard_id})
            return [LiveSegment(**row._mapping) for row in rows]

    def commit(self, lease: Lease, merged: Merged, moved: "pa.Table") -> bool:
        """Replace the source segments by the merged one in one transaction; record the excluded segments.

        Args:
            moved: re-packed messages (storage.segments.merge.merge.MOVED).

        Returns:
            False when the merge was committed before, so nothing changed.

        Raises:
            LeaseLost: the epoch is over.
            CompactionOutdated: a source is no longer live, or was analysed again.
            DatabaseUnreachable: the outcome is unknown; repeat the commit.
        """
        with transaction(self._engine) as connection:
            leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
            _exclude(connection, lease.shard_id, merged.excluded)
            if merged.segment is None:
                return bool(merged.excluded)
            segment_id = record_segment(connection, merged.segment)
            if segment_id is None:
                return False
            hit(FailPoint.COMPACTION_RECORDED)
            _replace(connection, lease.shard_id, segment_id, merged, moved)
        hit(FailPoint.COMPACTION_DONE)
        return True

    def readmit(self, lease: Lease) -> None:
        """Make excluded segments eligible again: their files may have been restored."""
        with transaction(self._engine) as connection:
            leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
            connection.execute(query("segments_readmit"), {"shard_id": lease.shard_id})

    def grace_began(self, grace_s: float) -> datetime:
        """The time since when a retired segment must be kept, by the clock that stamps retirements."""
        with transaction(self._engine) as connection:
            now: datetime = connection.execute(query("transaction_time")).scalar_one()
        return now - timedelta(seconds=grace_s)

    def superseded_bytes(self, shard_id: int, grace_s: float) -> int:
        """Bytes of the files of a shard that were replaced, and are kept for their readers until `grace_s` is over."""
        values = {"shard_id": shard_id, "before": self.grace_began(grace_s)}
        with transaction(self._engine) as connection:
            return int(connection.execute(query("segments_superseded"), values).scalar_one())

    def retired(self, shard_id: int, names: Sequence[str], before: datetime) -> set[str]:
        """The segments retired before a time, so that no reader uses their files."""
        with transaction(self._engine) as connection:
            values = {"shard_id": shard_id, "names": list(names), "before": before}
            return set(connection.execute(query("segments_retired"), values).scalars())

    def forget(self, lease: Lease, before: datetime) -> None:
        """Delete the rows of segments retired before a time, unless messages refer to them. Their files are gone."""
        with transaction(self._engine) as connection:
            leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
            connection.execute(query("analyses_forget"), {"shard_id": lease.shard_id, "before": before})
            connection.execute(query("segments_forget"), {"shard_id": lease.shard_id, "before": before})
            connection.execute(query("file_digests_forget"), {"shard_id": lease.shard_id, "before": before})


def _exclude(connection: Connection, shard_id: int, excluded: Sequence[tuple[str, str]]) -> None:
    if excluded:
        names, reasons = [list(column) for column in zip(*excluded, strict=True)]
        values = {"shard_id": shard_id, "names": names, "reasons": reasons}
        connection.execute(query("segments_exclude"), values)


def _replace(connection: Connection, shard_id: int, segment_id: int, merged: Merged, moved: "pa.Table") -> None:
    assert merged.segment is not None
    part_ids = _lock(connection, shard_id, merged)
    copied = [part for part in merged.parts if part.base_offset is not None]
    repacked = [part for part in merged.parts if part.base_offset is None]
    connection.execute(
        query("segments_move"),
        {
            "segment_id": segment_id,
            "part_ids": [part_ids[part.name] for part in copied],
            "base_offsets": [part.base_offset for part in copied],
        },
    )
    _move_messages(connection, segment_id, moved)
    hit(FailPoint.COMPACTION_MOVED)
    connection.execute(query("segment_users_retire"), {"part_ids": list(part_ids.values())})
    connection.execute(query("analyses_retire"), {"segment_ids": list(part_ids.values())})
    connection.execute(query("segments_retire"), {"part_ids": list(part_ids.values())})
    connection.execute(query("segments_vacate"), {"part_ids": [part_ids[part.name] for part in repacked]})
    _append_events(connection, shard_id, merged)
    hit(FailPoint.COMPACTION_RETIRED)


def _lock(connection: Connection, shard_id: int, merged: Merged) -> dict[str, int]:
    """Lock the source segments against other merges; return their ids.

    Raises:
        CompactionOutdated.
    """
    assert merged.segment is not None
    names = [part.name for part in merged.parts]
    rows = list(connection.execute(query("segments_locked"), {"shard_id": shard_id, "names": names}))
    if len(rows) != len(names):
        raise CompactionOutdated(shard_id, tuple({*names} - {row.name for row in rows}))
    values = {"segment_ids": [row.segment_id for row in rows]}
    # Read after locking: a concurrent replacement of an analysis has committed by now.
    current = {row.segment_id: row.name for row in connection.execute(query("analyses_current"), values)}
    merged_of = {part.name: part.analysis for part in merged.parts}
    if other := [row.name for row in rows if current.get(row.segment_id) != merged_of[row.name]]:
        raise CompactionOutdated(shard_id, tuple(other))
    messages = sum(row.messages for row in rows)
    if messages != merged.segment.messages:
        raise ValueError(f"the sources have {messages} messages, but the merged segment has {merged.segment.messages}")
    return {row.name: row.segment_id for row in rows}


def _move_messages(connection: Connection, segment_id: int, moved: "pa.Table") -> None:
    if not moved.num_rows:
        return
    columns = {name: moved[name].to_pylist() for name in moved.column_names}
    keys = {"user_ids": columns["user_id"], "message_ids": columns["message_id"]}
    connection.execute(query("messages_locked"), keys)  # in the same order as a commit, against deadlocks
    connection.execute(
        query("messages_move"),
        {
            **keys,
            "segment_id": segment_id,
            "frame_offsets": columns["frame_offset"],
            "frame_bytes": columns["frame_bytes"],
            "raw_offsets": columns["raw_offset"],
        },
    )


def _append_events(connection: Connection, shard_id: int, merged: Merged) -> None:
    assert merged.segment is not None
    damaged: dict[int, list[int]] = {}
    for user_id, message_id in merged.damaged:
        damaged.setdefault(user_id, []).append(message_id)
    name = merged.segment.name
    events: list[Publication] = [
        (None, SegmentsCompacted(segment=name, merged=[part.name for part in merged.parts])),
        *(
            (
                user_id,
                MessagesDamaged(segment=name, messages=len(ids), ids=[*map(to_hex, ids[:_REPORTED_IDS])]),
            )
            for user_id, ids in damaged.items()
        ),
    ]
    publish(connection, shard_id, events)

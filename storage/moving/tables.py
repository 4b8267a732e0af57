"""The tables of a shard: which rows belong to it, which identities are shifted, how changes are copied.

A test compares the list with the schema, so that a move cannot miss a new table.
"""

from dataclasses import dataclass

_OF_SHARD = "shard_id = {shard}"
_OF_USERS = "user_id IN (SELECT user_id FROM mailboxes WHERE shard_id = {shard})"
_OF_SEGMENTS = "segment_id IN (SELECT segment_id FROM segments WHERE shard_id = {shard})"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    scope: condition of a shard's rows; shifted: column -> the table whose identity it refers to; key: rows with equal
    keys are copied together, and are never deleted one by one; None: rows are few or deleted, so all are copied again.
    """

    name: str
    scope: str
    shifted: dict[str, str]
    key: tuple[str, ...] | None = None

    def rows(self, shard_id: int) -> str:
        """The condition on rows of the shard."""
        return self.scope.format(shard=int(shard_id))


#: In the order of writing; deletion is in reverse order.
TABLES = (
    Table("mailboxes", _OF_SHARD, {}),
    Table("segments", _OF_SHARD, {"segment_id": "segments", "moved_to": "segments"}),
    Table("segment_users", _OF_SEGMENTS, {"segment_id": "segments"}),
    Table("analyses", _OF_SEGMENTS, {"segment_id": "segments"}),
    Table("file_digests", _OF_SHARD, {}),
    Table("imports", _OF_USERS, {}),
    Table("message_origins", _OF_USERS, {}, ("user_id", "message_id")),
    Table("labels", _OF_USERS, {}),
    Table("label_history", _OF_USERS, {}),
    Table("failed_items", _OF_USERS, {}),
    Table("unreadable_items", _OF_USERS, {}),
    Table("messages", _OF_USERS, {"segment_id": "segments"}, ("user_id", "message_id")),
    Table("label_events", _OF_USERS, {"event_id": "label_events"}, ("user_id", "message_id")),
    Table("failed_history", _OF_USERS, {}, ("user_id", "message_id")),
    # Event ids are shifted with the log, so the next roll-up continues where the last one ended.
    Table("rollups", _OF_SHARD, {"event_id": "label_events"}),
    Table("event_positions", _OF_SHARD, {}),
    Table("outbox", _OF_SHARD, {"event_id": "outbox"}, ("event_id",)),
)

#: Not copied: storage/moving/move.py creates the lease under a new epoch, and triggers count the messages when they are
#: inserted.
NOT_MOVED = frozenset({"leases", "alembic_version", "message_slots", "message_days", "label_sums"})

#: Tables with an identity, and its column.
IDENTITIES = {"segments": "segment_id", "label_events": "event_id", "outbox": "event_id"}

"""The tables of a shard: how its rows are found, which identities are shifted, how they are caught up.

The one list. A test holds it against the schema, so that no table that is added later is left behind by a move.
"""

from dataclasses import dataclass

_OF_SHARD = "shard_id = {shard}"
_OF_USERS = "user_id IN (SELECT user_id FROM mailboxes WHERE shard_id = {shard})"
_OF_SEGMENTS = "segment_id IN (SELECT segment_id FROM segments WHERE shard_id = {shard})"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    scope: which rows are a shard's; shifted: column -> the table whose identity it holds; key: rows that share it are
    caught up together, and are never deleted one by one; None: rows are few or are deleted, so all are copied again.
    """

    name: str
    scope: str
    shifted: dict[str, str]
    key: tuple[str, ...] | None = None

    def rows(self, shard_id: int) -> str:
        """The condition under which a row is the shard's."""
        return self.scope.format(shard=int(shard_id))


#: In the order in which they are written; they are deleted in the reverse order.
TABLES = (
    Table("mailboxes", _OF_SHARD, {}),
    Table("segments", _OF_SHARD, {"segment_id": "segments", "moved_to": "segments"}),
    Table("segment_users", _OF_SEGMENTS, {"segment_id": "segments"}),
    Table("analyses", _OF_SEGMENTS, {"segment_id": "segments"}),
    Table("labels", _OF_USERS, {}),
    Table("label_history", _OF_USERS, {}),
    Table("failed_items", _OF_USERS, {}),
    Table("unreadable_items", _OF_USERS, {}),
    Table("messages", _OF_USERS, {"segment_id": "segments"}, ("user_id", "message_id")),
    Table("label_events", _OF_USERS, {"event_id": "label_events"}, ("user_id", "message_id")),
    Table("failed_history", _OF_USERS, {}, ("user_id", "message_id")),
    # Positions in the log move with it, so the next roll-up goes on where the last one ended.
    Table("rollups", _OF_SHARD, {"event_id": "label_events"}),
    Table("outbox", _OF_SHARD, {"event_id": "outbox"}, ("event_id",)),
)

#: Their rows do not travel: the lease is brought by storage/moving/move.py under a new epoch, and the counts follow the
#: messages by triggers.
NOT_MOVED = frozenset({"leases", "alembic_version", "message_slots", "message_days", "label_sums"})

#: Tables whose rows are numbered by a sequence of their own, and the column.
IDENTITIES = {"segments": "segment_id", "label_events": "event_id", "outbox": "event_id"}

"""The owner's corrections of messages: events in the shard's log beside the labels, which are only appended.

The newest event of a message counts. Roll-ups, backups, moves and rebuilds carry the log. An event is written in a
transaction that holds a share lock of the shard's lease, so moves and roll-ups miss none.

Every query is bound to the user's id. Blocking: call it from a thread.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Connection, Engine

from storage.catalog.leases import ShardMoving
from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.model.judgement import Judgement

#: Judgements of one mailbox that are read, the newest.
_MOST = 10_000

WORDS = pa.schema(
    [
        pa.field("message_id", pa.int64()),
        pa.field("category", pa.string()),
        pa.field("priority", pa.string()),
        pa.field("spam", pa.bool_()),
        pa.field("place", pa.int64()),  # 0: the newest
    ]
)


def corrections_of(connection: Connection, user_id: int, as_of: datetime | None = None) -> dict[int, Judgement]:
    """Message -> the owner's judgement that counts, newest first. as_of: None: now."""
    said: dict[int, Judgement] = {}
    for row in connection.execute(query("corrections_of_user"), {"user_id": user_id, "as_of": as_of, "limit": _MOST}):
        if row.message_id not in said:
            said[row.message_id] = Judgement.of(row.judgement, row.observed_at)
    return {message_id: judgement for message_id, judgement in said.items() if not judgement.is_empty}


def judge(engine: Engine, user_id: int, message_id: int, judgement: Judgement) -> Judgement | None:
    """Record what the owner says of a message; a repetition records nothing. None: the user has no such message.

    Args:
        engine: of the shard's primary database.
        judgement: `at` is ignored.

    Raises:
        ShardMoving: try again later.
        DatabaseUnreachable.
    """
    with transaction(engine) as connection:
        lease = connection.execute(query("lease_shared"), {"user_id": user_id}).first()
        if lease is None:
            return None
        if not lease.is_open:
            raise ShardMoving(lease.shard_id)
        # Locks the mailbox's row, so that corrections are written one after the other.
        connection.execute(query("mailbox_touch"), {"user_id": user_id})
        before = corrections_of(connection, user_id).get(message_id)
        if before is not None and judgement.says_as(before):
            return before
        at: datetime = connection.execute(query("transaction_time")).scalar_one()
        values = {"user_id": user_id, "message_id": message_id, "judgement": judgement.text(at)}
        row = connection.execute(query("judgement_insert"), values).first()
        return None if row is None else replace(judgement, at=row.observed_at)


def words(corrections: Mapping[int, Judgement]) -> pa.Table:
    """A table of WORDS, for DuckDB."""
    rows = [
        {
            "message_id": message_id,
            "category": said.category,
            "priority": said.priority,
            "spam": said.spam,
            "place": place,
        }
        for place, (message_id, said) in enumerate(corrections.items())
    ]
    return pa.Table.from_pylist(rows, WORDS)

"""Publishes events in the transaction that they describe: both commit or neither does.

Positions of a shard's events grow in the order of their commits: the counter's row stays locked until the transaction
ends, so a transaction with higher positions begins to number its events only after the earlier one has committed. A
reader that continues after the highest position that it has seen therefore misses nothing, without gaps being waited
for. Publish as late in a transaction as possible, because other publishers of the shard wait.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from storage.db.sql_files import query
from storage.events.event_type import EventData

#: The control database's number among the shards.
CONTROL = -1

Publication = tuple[int | None, EventData]


def publish(connection: Connection, shard_id: int, events: Sequence[Publication]) -> None:
    """Append events to the outbox of a shard, or of the control database (`CONTROL`).

    Args:
        events: user id and data; the user id is None exactly for types that concern no mailbox.
    """
    if not events:
        return
    for user_id, data in events:
        if data.about_user != (user_id is not None):
            raise ValueError(f"{data.type} needs a user id, or must have none")
    connection.execute(
        query("outbox_insert"),
        {
            "shard_id": shard_id,
            "user_ids": [user_id for user_id, _ in events],
            "types": [data.type for _, data in events],
            "versions": [data.version for _, data in events],
            "data": [data.model_dump_json() for _, data in events],
        },
    )

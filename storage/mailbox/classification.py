"""Reads the classification labels of messages, which Google Workspace has beside Gmail's own labels. Blocking.

They are logged with the commit that stores a message (storage/catalog/folding.py), so few messages have any.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from storage.db.sql_files import query


def classification_of(
    connection: Connection, user_id: int, message_ids: Sequence[int], as_of: datetime | None
) -> dict[int, str]:
    """Message -> its classification labels as Gmail's JSON text, of those that have any. as_of: None: now."""
    values = {"user_id": user_id, "message_ids": list(message_ids), "as_of": as_of}
    return {row.message_id: row.labels for row in connection.execute(query("classification_of"), values)}

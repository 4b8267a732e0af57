"""Items of mailboxes that could not be backed up: failed messages, unconfirmed deletions and unreadable ids.

Blocking: call it from a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.files.kept_answers import KeptAnswers
from storage.model.message_id import to_hex


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that could not be backed up.

    id: Gmail's hex id; for kind "unreadable", the text in its place. kind: a `FailedKind`, or "unreadable".
    next_attempt_at: None: only a comparison with Gmail retries the item. received_bytes: size of the file of what Gmail
    answered about it (storage/files/kept_answers.py); None: nothing is kept.
    """

    user_id: int
    id: str
    kind: str
    since: datetime
    attempts: int
    next_attempt_at: datetime | None
    reason: str
    received_bytes: int | None = None


def failures(engine: Source, user_ids: Sequence[int], limit: int, kept: KeptAnswers | None = None) -> list[Failed]:
    """Failures of these mailboxes of one database, earliest next attempt first, at most `limit`."""
    values = {"user_ids": list(user_ids), "limit": limit}
    with transaction(engine) as connection:
        rows = connection.execute(query("failed_of_users"), values).all()
        unreadable = connection.execute(query("unreadable_of_users"), values).all()
    items = [
        Failed(
            row.user_id,
            to_hex(row.message_id),
            row.kind,
            row.first_at,
            row.attempts,
            row.not_before,
            row.error,
            None if kept is None else kept.size(row.user_id, row.message_id),
        )
        for row in rows
    ]
    items += [
        Failed(row.user_id, row.item, "unreadable", row.first_at, row.times, None, f"no readable id in {row.found_in}")
        for row in unreadable
    ]
    return items[:limit]

"""The audit log: who did what to whom, and when. In the control database, kept for `RetentionConfig.audit_days`.

An entry is written in the transaction that it describes: both commit or neither does. An entry never holds a secret: a
detail is a short text, a number or a boolean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, Engine

from storage.db.engines import transaction
from storage.db.sql_files import query

Detail = Mapping[str, str | int | bool | None]
_LONGEST = 200

#: The action of a completed `gbm db backup`; the subject is its folder.
BACKUP_ACTION = "databases.backup"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. Entry ids grow; a gap is a transaction that was rolled back, or is about to commit."""

    entry_id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, str | int | bool | None]


def append(connection: Connection, actor: str, action: str, subject: str, detail: Detail | None = None) -> None:
    """Record an action of this transaction.

    Args:
        actor: an address, or the program's name.
        action: such as "account.add".
        subject: the object of the action: an address, a key's id, a database.
    """
    details = dict(detail or {})
    for name, value in details.items():
        if not isinstance(value, str | int | bool | None) or (isinstance(value, str) and len(value) > _LONGEST):
            raise ValueError(f"audit detail {name!r} must be a short text, a number or a boolean")
    values = {"actor": actor, "action": action, "subject": subject, "detail": orjson.dumps(details).decode()}
    connection.execute(query("audit_append"), values)


class Audit:
    """Reads the log."""

    def __init__(self, engine: Engine) -> None:
        """`engine`: of the control database."""
        self._engine = engine

    def entries(self, after: int = 0, limit: int = 100, action: str | None = None) -> list[Entry]:
        """Entries (of an action) after an entry id, oldest first.

        Args:
            limit: 1 to 1000.
        """
        with transaction(self._engine) as connection:
            values = {"after": after, "action": action, "limit": min(max(limit, 1), 1000)}
            rows = connection.execute(query("audit_entries"), values)
            return [Entry(*row) for row in rows]

    def newest(
        self, before: int, limit: int, action: str | None = None, by: str | None = None, since: datetime | None = None
    ) -> list[Entry]:
        """Entries (of an action, of an actor, since a time) before an entry id, newest first."""
        with transaction(self._engine) as connection:
            values = {
                "before_id": before,
                "action": action,
                "by": by,
                "since": since,
                "limit": min(max(limit, 1), 1000),
            }
            return [Entry(*row) for row in connection.execute(query("audit_newest"), values)]

    def note(self, entries: Sequence[tuple[str, str, str, Detail]]) -> None:
        """Write entries (actor, action, subject, detail) in a transaction of their own."""
        with transaction(self._engine) as connection:
            for entry in entries:
                append(connection, *entry)

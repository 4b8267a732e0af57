"""What the stores of the control database share: its connections, and the actor that the audit log names."""

from sqlalchemy import Connection

from storage.db import audit
from storage.db.engines import Source
from storage.db.sql_files import query


class ControlStore:
    """One aggregate of the control database. Blocking: call it from a thread."""

    def __init__(self, engine: Source, actor: str = "gbm") -> None:
        """`actor`: who is named in the audit log."""
        self._engine, self._actor = engine, actor

    def _audit_user(self, connection: Connection, action: str, user_id: int) -> None:
        email = connection.execute(query("user_email"), {"user_id": user_id}).scalar()
        if email is not None:
            audit.append(connection, self._actor, action, email)

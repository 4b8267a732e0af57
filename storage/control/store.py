"""The base class of the control database's stores: its engine, and the actor for the audit log."""

from sqlalchemy import Connection

from storage.db import audit
from storage.db.engines import Source
from storage.db.sql_files import query


class ControlStore:
    """One aggregate of the control database. Blocking: call it from a thread."""

    def __init__(self, engine: Source, actor: str = "gbm") -> None:
        """`actor`: actor for the audit log."""
        self._engine, self._actor = engine, actor

    def _audit_user(self, connection: Connection, action: str, user_id: int) -> None:
        email = connection.execute(query("user_email"), {"user_id": user_id}).scalar()
        if email is not None:
            audit.append(connection, self._actor, action, email)

"""One user's Parquet files, to ask: which there are, and DuckDB's answers over them.

Blocking: call it from a thread.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from storage import duck
from storage.blobs import FileDamaged, LocalBlobs
from storage.databases import transaction
from storage.queries import query, sql
from storage.segment import PARQUET_SUFFIX


class MailFiles:
    """The files that hold mail of one user."""

    def __init__(self, user_id: int, engine: Engine, blobs: LocalBlobs) -> None:
        self._user_id, self._engine, self._blobs = user_id, engine, blobs

    def names(self, first_at: datetime, last_at: datetime) -> list[str]:
        """The files with mail of this user in a time range, newest first."""
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "first_at": first_at, "last_at": last_at}
            names = connection.execute(query("segments_of_user"), values).scalars()
            return [name + PARQUET_SUFFIX for name in names]

    def rows(
        self,
        question: str,
        files: Sequence[str],
        values: Mapping[str, object],
        parts: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """The answer of storage/sql/QUESTION.sql over files, bound to the user.

        Args:
            parts: SQL to put in for {name}; never any text of a request.

        Raises:
            FileDamaged.
        """
        statement = sql(question)
        for name, part in (parts or {}).items():
            statement = statement.replace(f"{{{name}}}", part)
        names = {self._blobs.location(file): file for file in files}
        try:
            return duck.rows(statement, list(names), {**values, "user_id": self._user_id})
        except FileDamaged as exc:
            raise type(exc)(names[exc.name], exc.reason) from exc

"""One user's Parquet files, to ask: which there are, and DuckDB's answers over them.

Files are merged into others and deleted some time after that. Whoever is slower than this time finds a file missing,
and asks again from the beginning, with the names of the files that there are now (`patiently`).
Blocking: call it from a thread.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
from sqlalchemy import Engine

from storage import duck
from storage.blobs import FileDamaged, FileMissing, LocalBlobs
from storage.databases import transaction
from storage.queries import query, sql
from storage.segment import PARQUET_SUFFIX

T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """The answer of a question that begins with asking for the names of files, asked once more if one is gone.

    Raises:
        FileMissing: again: the archive has lost it.
    """
    try:
        return ask()
    except FileMissing:
        return ask()


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
        """The answer of storage/sql/QUESTION.sql over files, bound to the user; of no files, nothing.

        Args:
            parts: SQL to put in for {name}; never any text of a request.

        Raises:
            FileDamaged.
        """
        return self.table(question, files, values, parts).to_pylist() if files else []

    def table(
        self,
        question: str,
        files: Sequence[str],
        values: Mapping[str, object],
        parts: Mapping[str, str] | None = None,
    ) -> pa.Table:
        """The same of at least one file, as Arrow."""
        statement = sql(question)
        for name, part in (parts or {}).items():
            statement = statement.replace(f"{{{name}}}", part)
        names = {self._blobs.location(file): file for file in files}
        try:
            return duck.ask(statement, list(names), {**values, "user_id": self._user_id})
        except FileDamaged as exc:
            raise type(exc)(names[exc.name], exc.reason) from exc

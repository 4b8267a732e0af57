"""One mailbox in numbers. Counts and states from the message index, what stands in messages from their Parquet files.

Every question carries the user's id. Blocking: call it from a thread.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage import moments
from storage.databases import Source, transaction
from storage.language.plan import EARLIEST, LATEST
from storage.mailfiles import MailFiles, patiently


@dataclass(frozen=True, slots=True)
class Span:
    """A time range: from the first moment, up to before the last."""

    first_at: datetime = EARLIEST
    last_at: datetime = LATEST


class Statistics:
    """Counts one user's mail."""

    def __init__(self, user_id: int, engine: Source, files: MailFiles) -> None:
        self._user_id, self._engine, self._files = user_id, engine, files

    def years(self, span: Span, as_of: datetime | None = None) -> list[dict[str, Any]]:
        """{year, messages, size_bytes, deleted, unread, sent, first_at, last_at}, oldest first; years in UTC.

        Raises:
            DatabaseUnreachable.
        """
        return patiently(lambda: self._years(span, as_of))

    def _years(self, span: Span, as_of: datetime | None) -> list[dict[str, Any]]:
        values = {"user_id": self._user_id, "first_at": span.first_at, "last_at": span.last_at}
        with transaction(self._engine) as connection:
            rows = connection.execute(moments.query("overview", as_of), values | moments.values(as_of))
            return [dict(row._mapping) for row in rows]

    def attachments(self, span: Span) -> dict[str, int]:
        """{messages, files, size_bytes} of all that was ever stored.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        found = self._asked("attachments_total", span, {})
        return found[0] if found else {"messages": 0, "files": 0, "size_bytes": 0}

    def senders(self, span: Span, limit: int) -> list[dict[str, Any]]:
        """{address, name, messages, size_bytes, first_at, last_at} of all that was ever stored, most messages first.

        Args:
            limit: 1 to 1000.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._asked("senders", span, {"limit": limit})

    def _asked(self, question: str, span: Span, values: dict[str, object]) -> list[dict[str, Any]]:
        bounds = {"first_at": span.first_at, "last_at": span.last_at}
        return patiently(
            lambda: self._files.rows(question, self._files.names(span.first_at, span.last_at), {**values, **bounds})
        )

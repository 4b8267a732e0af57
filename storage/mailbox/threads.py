"""A mailbox's threads, as conversations, and its labels with their counts.

Every query is bound to the user's id. Blocking: call it from a thread.
"""

from dataclasses import dataclass
from datetime import datetime

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.mailbox.as_of import as_of_query, as_of_values
from storage.mailbox.row_mapping import summary_of
from storage.mailbox.segment_files import MailFiles, retry_on_missing_file
from storage.model.results import Page, PageCursor
from storage.model.time_range import EARLIEST

_START = PageCursor(EARLIEST, -1 << 63)


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A Gmail label with the number of its messages. type: system or user; visibility, color: as of `LabelRow`."""

    id: str
    name: str
    type: str
    messages: int
    unread: int
    visibility: str = ""
    color: str = ""


class Conversations:
    """Reads one user's threads and labels."""

    def __init__(self, user_id: int, engine: Source, files: MailFiles) -> None:
        self._user_id, self._engine, self._files = user_id, engine, files

    def thread(
        self, thread_id: int, limit: int = 50, after: PageCursor | None = None, as_of: datetime | None = None
    ) -> Page:
        """The messages of a thread, oldest first, deleted messages included (`deleted_at`).

        Args:
            limit: 1 to 500.
            after: the cursor of the previous page.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return retry_on_missing_file(lambda: self._thread(thread_id, limit, after or _START, as_of))

    def thread_of(self, message_id: int, as_of: datetime | None = None) -> int | None:
        """The thread of a message; None when the user has no such message."""
        return retry_on_missing_file(lambda: self._thread_of(message_id, as_of))

    def labels(self) -> list[LabelCount]:
        """Every label of the mailbox, including labels that Gmail no longer lists but messages carry."""
        return retry_on_missing_file(self._labels)

    def _thread(self, thread_id: int, limit: int, after: PageCursor, as_of: datetime | None) -> Page:
        values = {
            "user_id": self._user_id,
            "thread_id": thread_id,
            "since": after.received_at,
            "after_id": after.message_id,
            "limit": limit + 1,
            **as_of_values(as_of),
        }
        with transaction(self._engine) as connection:
            statement = as_of_query("thread_page", as_of)
            rows = [dict(row._mapping) for row in connection.execute(statement, values)]
        shown = rows[:limit]
        contents = self._files.summaries(shown)
        items = tuple(summary_of(row, content) for row, content in zip(shown, contents, strict=True))
        more = len(rows) > limit
        return Page(items, PageCursor(shown[-1]["received_at"], shown[-1]["message_id"]) if more else None)

    def _thread_of(self, message_id: int, as_of: datetime | None) -> int | None:
        values = {"user_id": self._user_id, "message_id": message_id, **as_of_values(as_of)}
        with transaction(self._engine) as connection:
            row = connection.execute(as_of_query("email_location", as_of), values).first()
        return None if row is None else int(row.thread_id)

    def _labels(self) -> list[LabelCount]:
        with transaction(self._engine) as connection:
            rows = connection.execute(query("label_counts"), {"user_id": self._user_id})
            return [
                LabelCount(row.label_id, row.name, row.type, row.messages, row.unread, row.visibility, row.color)
                for row in rows
            ]

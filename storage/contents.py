"""One mailbox in numbers that stand in the messages: who writes, to whom, which files, which mailing lists.

Asked of the Parquet files, which hold what never changes; a selection that depends on labels, deletions or a search is
the ids that the message index gives. Blocking: call it from a thread.
"""

from typing import Any, Literal

from storage.mailfiles import MailFiles, patiently
from storage.selecting import Chosen
from storage.statistics import Statistics

Side = Literal["senders", "recipients"]


class Contents:
    """Counts what a selection of one user's mail says."""

    def __init__(self, files: MailFiles, chosen: Chosen, statistics: Statistics) -> None:
        """`statistics`: of the same selection."""
        self._files, self._chosen, self._statistics = files, chosen, statistics

    @property
    def statistics(self) -> Statistics:
        """What the message index tells of the same selection."""
        return self._statistics

    def attachments(self) -> dict[str, int]:
        """{messages, files, size_bytes}.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        found = self._rows("attachments_total")
        return found[0] if found else {"messages": 0, "files": 0, "size_bytes": 0}

    def senders(self, limit: int) -> list[dict[str, Any]]:
        """{address, name, messages, size_bytes, first_at, last_at}, most messages first.

        Args:
            limit: 1 to 1000, here and below.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._rows("senders", limit=limit)

    def recipients(self, limit: int) -> list[dict[str, Any]]:
        """{address, name, messages, size_bytes, first_at, last_at} of To, Cc and Bcc, most messages first.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._rows("recipients", limit=limit)

    def domains(self, side: Side, limit: int) -> list[dict[str, Any]]:
        """{domain, addresses, messages, size_bytes} of senders or recipients, most messages first.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        if side == "recipients":
            return self._rows("domains_of_recipients", limit=limit)
        return self._rows("domains_of_senders", {"order": "messages"}, limit=limit)

    def heaviest_domains(self, limit: int) -> list[dict[str, Any]]:
        """{domain, addresses, messages, size_bytes} of senders, most bytes first.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._rows("domains_of_senders", {"order": "size_bytes"}, limit=limit)

    def largest_attachments(self, limit: int) -> list[dict[str, Any]]:
        """{message_id, received_at, subject, part, filename, content_type, size_bytes}, largest first.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._rows("attachments_largest", limit=limit)

    def attachment_copies(self) -> dict[str, int]:
        """{files, size_bytes}: how many attached files are the same bytes as another one, and what they take.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        found = self._rows("attachment_copies")
        return found[0] if found else {"files": 0, "size_bytes": 0}

    def newsletters(self, limit: int) -> list[dict[str, Any]]:
        """{list_id, messages, read, size_bytes, first_at, last_at, from}, most messages first.

        `read`: how many do not carry UNREAD. `from`: the newest one's sender.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._rows("newsletters", limit=limit, unread=self._statistics.ids(unread=True))

    def _rows(self, question: str, parts: dict[str, str] | None = None, **values: object) -> list[dict[str, Any]]:
        return patiently(lambda: self._asked(question, parts or {}, values))

    def _asked(self, question: str, parts: dict[str, str], values: dict[str, object]) -> list[dict[str, Any]]:
        chosen = self._chosen
        condition, bound = "TRUE", {**values, "first_at": chosen.first_at, "last_at": chosen.last_at}
        if not chosen.whole:
            condition = "message_id IN (SELECT unnest($message_ids::BIGINT[]))"
            bound["message_ids"] = self._statistics.ids()
        names = self._files.names(chosen.first_at, chosen.last_at)
        return self._files.rows(question, names, bound, {"chosen": condition, **parts})

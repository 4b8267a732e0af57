"""Statistics of correspondence: threads, response times, mailing lists.

Covers the messages of a `MailboxStats` and raises the same errors. Blocking: call it from a thread.
"""

from dataclasses import dataclass

from storage.analytics.stats import MailboxStats, Row
from storage.model.message_id import to_hex


@dataclass(frozen=True, slots=True)
class Responses:
    """One side's response times in seconds, interpolated between responses; None: no response."""

    responses: int = 0
    median_s: float | None = None
    p90_s: float | None = None


class Correspondence:
    """Statistics of one user's threads and lists."""

    def __init__(self, counting: MailboxStats) -> None:
        self._counting = counting

    def longest(self, limit: int) -> list[Row]:
        """{id, subject, messages, people, size_bytes, first_at, last_at} of threads, most messages first.

        `subject`: the first message's. `people`: number of distinct sender addresses.
        """
        rows = self._counting.of_content("longest_threads", {"limit": limit}, threads=True)
        return [{"id": to_hex(row.pop("thread_id")), **row} for row in rows]

    def responses(self) -> tuple[Responses, Responses]:
        """The owner's response times, and those of the others.

        A response is a message that follows a message of the other side in its thread, by time, then by id. The
        owner's messages are those labelled SENT and those from the mailbox's own address.
        """
        rows = self._counting.of_content("responses", {"address": self._counting.address()}, ["SENT"], threads=True)
        sides = {bool(row.pop("mine")): Responses(**row) for row in rows}
        return sides.get(True, Responses()), sides.get(False, Responses())

    def lists(self, limit: int) -> list[Row]:
        """{list_id, sender_name, sender_address, messages, read, size_bytes, first_at, last_at}, most messages first.

        `list_id`: the unmodified header. `read`: number of messages without the label UNREAD. Sender: of the newest
        message.
        """
        return self._counting.of_content("lists", {"limit": limit}, ["UNREAD"])

"""How a mailbox's owner and the others write to each other, and the lists that they are on.

Of the messages that a `MailboxStats` is about; its errors are these methods', too. Blocking: call it from a thread.
"""

from dataclasses import dataclass

from storage.analytics.stats import MailboxStats, Row
from storage.model.message_id import to_hex


@dataclass(frozen=True, slots=True)
class Responses:
    """How one side responded. median_s, p90_s: seconds, between two responses in proportion; None: of no response."""

    responses: int = 0
    median_s: float | None = None
    p90_s: float | None = None


class Correspondence:
    """Looks at one user's threads and lists."""

    def __init__(self, counting: MailboxStats) -> None:
        self._counting = counting

    def longest(self, limit: int) -> list[Row]:
        """{id, subject, messages, people, size_bytes, first_at, last_at} of threads, most messages first.

        `subject`: the first message's. `people`: different sender addresses.
        """
        rows = self._counting.of_content("longest_threads", {"limit": limit})
        return [{"id": to_hex(row.pop("thread_id")), **row} for row in rows]

    def responses(self) -> tuple[Responses, Responses]:
        """How the owner responded, and how the others did.

        A response is a message that follows, in its thread, one of the other side; by time, then by id. The owner's
        are those that are labelled SENT or come from the mailbox's own address.
        """
        rows = self._counting.of_content("responses", {"address": self._counting.address()}, ["SENT"])
        sides = {bool(row.pop("mine")): Responses(**row) for row in rows}
        return sides.get(True, Responses()), sides.get(False, Responses())

    def lists(self, limit: int) -> list[Row]:
        """{list_id, sender_name, sender_address, messages, read, size_bytes, first_at, last_at}, most messages first.

        `list_id`: the header as it is. `read`: of the messages, those without the label UNREAD. The sender: of the
        newest.
        """
        return self._counting.of_content("lists", {"limit": limit}, ["UNREAD"])

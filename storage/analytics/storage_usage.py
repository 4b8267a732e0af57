"""Storage usage of a mailbox: the largest messages and attachments, and duplicates.

Covers the messages of a `MailboxStats` and raises the same errors. Blocking: call it from a thread.
"""

from typing import Any

from storage.analytics.stats import MailboxStats, Row
from storage.model.message_id import to_hex


class Space:
    """Storage usage of one user's mail."""

    def __init__(self, stats: MailboxStats) -> None:
        self._stats = stats

    def messages(self, limit: int) -> list[Row]:
        """{id, thread_id, received_at, size_bytes, sender, subject}, largest first. Ids are Gmail's hex."""
        rows = self._stats.of_index("largest_messages", {"limit": limit})
        shown = self._stats.summaries(rows)
        return [
            {
                "id": to_hex(row["message_id"]),
                "thread_id": to_hex(row["thread_id"]),
                "received_at": row["received_at"],
                "size_bytes": row["size_bytes"],
                "sender": content["from"],
                "subject": content["subject"],
            }
            for row, content in zip(rows, shown, strict=True)
        ]

    def attachments(self, limit: int) -> list[Row]:
        """{id, received_at, part, filename, content_type, size_bytes, sha256}, largest first. `id`: the message's."""
        return [_named(row) for row in self._stats.of_content("largest_attachments", {"limit": limit})]

    def duplicate_messages(self, limit: int) -> Row:
        """{groups, extra_copies, extra_bytes, items}: messages that occur more than once, byte for byte.

        `items`: {id, sha256, copies, size_bytes}, most redundant bytes first; `id`: of the oldest copy.
        """
        return _duplicates(self._stats.of_content("duplicate_messages", {"limit": limit}))

    def duplicate_attachments(self, limit: int) -> Row:
        """The same for decoded attachments; an item has the oldest copy's `filename` and its message's `id`."""
        return _duplicates(self._stats.of_content("duplicate_attachments", {"limit": limit}))


def _duplicates(rows: list[Row]) -> Row:
    totals = {name: rows[0][f"all_{name}"] if rows else 0 for name in ("groups", "extra_copies", "extra_bytes")}
    items = [{name: value for name, value in _named(row).items() if not name.startswith("all_")} for row in rows]
    return {**totals, "items": items}


def _named(row: Row) -> dict[str, Any]:
    return {
        **{name: value for name, value in row.items() if name != "message_id"},
        "id": to_hex(row["message_id"]),
        "sha256": bytes(row["sha256"]).hex(),
    }

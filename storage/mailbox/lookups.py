"""Looks up many mailboxes' versions and many messages' locations with one query each, for concurrent requests.

Every row is bound to the user of its own request: results are keyed by user. Blocking: call it from a thread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.model.location import Location
from storage.model.message_id import to_hex


@dataclass(frozen=True, slots=True)
class Located:
    """Current state and location of one user's message, by value: equal values have equal documents.

    analysis: the file with its analysis; None: not analysed. classification: as of `Email`. earlier: the newest segment
    with earlier mail, which the evidence about the writer depends on; 0: none.
    """

    user_id: int
    message_id: int
    thread_id: int
    received_at: datetime
    labels: tuple[str, ...]
    deleted_at: datetime | None
    segment: str
    location: Location
    analysis: str | None
    classification: str = ""
    earlier: int = 0

    @property
    def id(self) -> str:
        """Gmail's hex."""
        return to_hex(self.message_id)


def versions(engine: Source, user_ids: Sequence[int]) -> dict[int, str]:
    """`MailboxReader.version` of several mailboxes, by user; opened mailboxes only.

    Raises:
        DatabaseUnreachable.
    """
    with transaction(engine) as connection:
        rows = connection.execute(query("mailbox_versions"), {"user_ids": list(user_ids)})
        return {row.user_id: row.version for row in rows}


def locations(engine: Source, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], Located]:
    """The messages of these users, by (user, message id); only those that the user has.

    Raises:
        DatabaseUnreachable.
    """
    values = {"user_ids": [user_id for user_id, _ in keys], "message_ids": [message_id for _, message_id in keys]}
    with transaction(engine) as connection:
        rows = connection.execute(query("email_locations"), values)
        return {(row.user_id, row.message_id): _located(row) for row in rows}


def _located(row: Row[tuple[object, ...]]) -> Located:
    return Located(
        user_id=row.user_id,
        message_id=row.message_id,
        thread_id=row.thread_id,
        received_at=row.received_at,
        labels=tuple(sorted(row.labels)),
        deleted_at=row.deleted_at,
        segment=row.segment,
        location=Location(row.frame_offset, row.frame_bytes, row.raw_offset, row.size_bytes, bytes(row.sha256)),
        analysis=row.analysis,
        classification=row.classification or "",
        earlier=row.earlier,
    )

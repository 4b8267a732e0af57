"""One user's mail, to read: lists, searches, single messages, exact bytes.

A `MailboxReader` is made for a user and cannot ask about another: every query carries its `user_id`. Lists and lookups
come from the message index in Postgres, content from DuckDB over the Parquet files that the catalogue names.
Blocking: call it from a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from storage import duck, matching, search
from storage.blobs import FileDamaged, LocalBlobs
from storage.databases import transaction
from storage.emails import Attachment, Email, EmailSummary, Position
from storage.identifier import to_hex
from storage.matching import EARLIEST, LATEST, Plan
from storage.queries import query, sql
from storage.raw import Location, unpack
from storage.records import MailboxRecord
from storage.segment import PARQUET_SUFFIX, RAW_SUFFIX

_TOP = Position(LATEST, (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, newest first, and the position to go on from; None at the end."""

    items: tuple[EmailSummary, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class Label:
    """A label as Gmail names it. `type`: system or user."""

    id: str
    name: str
    type: str


class MailboxReader:
    """Reads one user's mail."""

    def __init__(self, user_id: int, engine: Engine, blobs: LocalBlobs) -> None:
        self._user_id, self._engine, self._blobs = user_id, engine, blobs

    def emails(
        self,
        text: str = "",
        labels: Sequence[str] = (),
        limit: int = 50,
        after: Position | None = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
    ) -> Page:
        """Messages that match a search (storage/search.py) and carry all labels, newest first.

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        names = {label.name.lower(): label.id for label in self.labels()} if text else {}
        plan = matching.plan(search.parse(text), names, include_spam_trash or bool({*labels} & {*matching.HIDDEN}))
        plan = Plan(
            with_labels=(*plan.with_labels, *labels),
            without_labels=plan.without_labels,
            after_at=plan.after_at,
            before_at=plan.before_at,
            content=plan.content,
            values=plan.values,
        )
        start = after or _TOP
        if plan.before_at <= start.received_at:
            start = Position(plan.before_at, -(1 << 63))
        rows = self._find(plan, start, limit + 1, include_deleted)
        items = self._summaries(rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(tuple(items), Position(last["received_at"], last["message_id"]) if last else None)

    def email(self, message_id: int) -> Email | None:
        """One message without its raw bytes; None when this user has none of this id."""
        row = self._locate(message_id)
        if row is None:
            return None
        file = row["segment"] + PARQUET_SUFFIX
        values = {"user_id": self._user_id, "message_id": message_id}
        found = self._rows("email", [file], values)
        if not found:
            raise _lacks(file, message_id)
        content = found[0]
        return Email(
            summary=_summary(row, content),
            text=content["text"],
            headers=tuple((header["name"], header["value"]) for header in content["headers"]),
            attachments=tuple(_attachment(part) for part in content["attachments"]),
            sha256=bytes(row["sha256"]).hex(),
        )

    def raw(self, message_id: int) -> bytes | None:
        """The exact bytes of a message, checked against their SHA-256; None when this user has none of this id.

        Raises:
            FileDamaged.
        """
        row = self._locate(message_id)
        if row is None:
            return None
        name = row["segment"] + RAW_SUFFIX
        frame = self._blobs.read(name, row["frame_offset"], row["frame_bytes"])
        location = Location(
            row["frame_offset"],
            row["frame_bytes"],
            row["raw_offset"],
            row["size_bytes"],
            bytes(row["sha256"]),
        )
        return unpack(name, frame, location)

    def labels(self) -> list[Label]:
        """The mailbox's labels."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("labels_of_user"), {"user_id": self._user_id})
            return [Label(row.label_id, row.name, row.type) for row in rows]

    def state(self) -> MailboxRecord | None:
        """The mailbox's sync state as last committed; None before its shard has opened it."""
        with transaction(self._engine) as connection:
            row = connection.execute(query("mailbox"), {"user_id": self._user_id}).first()
        return MailboxRecord.of(row._asdict()) if row else None

    def top_senders(self, limit: int) -> list[dict[str, Any]]:
        """{sender, messages, size_bytes}, most messages first."""
        values = {"user_id": self._user_id, "limit": limit}
        return self._rows("top_senders", self._files(EARLIEST, LATEST), values)

    def defective(self, limit: int) -> list[dict[str, Any]]:
        """{id, received_at, from, subject, defects} of messages with MIME defects, newest first."""
        values = {"user_id": self._user_id, "limit": limit}
        found = self._rows("defective", self._files(EARLIEST, LATEST), values)
        return [{"id": to_hex(row.pop("message_id")), **row} for row in found]

    def defective_count(self) -> int:
        """How many messages have MIME defects."""
        found = self._rows("defective_count", self._files(EARLIEST, LATEST), {"user_id": self._user_id})
        return int(found[0]["messages"]) if found else 0

    def _find(self, plan: Plan, start: Position, limit: int, with_deleted: bool) -> list[dict[str, Any]]:
        """Index rows that match. Content is asked of Parquet first, then the labels of what it found of the index."""
        if not plan.content:
            return self._index(plan, start, limit, with_deleted, None)
        files = self._files(plan.after_at, start.received_at)
        found: list[dict[str, Any]] = []
        batch = 4 * limit
        while files:
            values = {
                **plan.values,
                "user_id": self._user_id,
                "before_at": start.received_at,
                "before_id": start.message_id,
                "after_at": plan.after_at,
                "limit": batch,
            }
            candidates = self._rows("matching", files, values, plan.content)
            if candidates:
                ids = [row["message_id"] for row in candidates]
                found += self._index(plan, start, limit - len(found), with_deleted, ids)
            if len(found) >= limit or len(candidates) < batch:
                break
            start = Position(candidates[-1]["received_at"], candidates[-1]["message_id"])
        return found

    def _index(
        self, plan: Plan, start: Position, limit: int, with_deleted: bool, message_ids: list[int] | None
    ) -> list[dict[str, Any]]:
        with transaction(self._engine) as connection:
            rows = connection.execute(
                query("emails_page"),
                {
                    "user_id": self._user_id,
                    "before_at": start.received_at,
                    "before_id": start.message_id,
                    "after_at": plan.after_at,
                    "with_labels": list(plan.with_labels),
                    "without_labels": list(plan.without_labels),
                    "with_deleted": with_deleted,
                    "message_ids": message_ids,
                    "limit": limit,
                },
            )
            return [dict(row._mapping) for row in rows]

    def _locate(self, message_id: int) -> dict[str, Any] | None:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "message_id": message_id}
            row = connection.execute(query("email_location"), values).first()
            return dict(row._mapping) if row else None

    def _files(self, first_at: datetime, last_at: datetime) -> list[str]:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "first_at": first_at, "last_at": last_at}
            names = connection.execute(query("segments_of_user"), values).scalars()
            return [name + PARQUET_SUFFIX for name in names]

    def _rows(
        self, question: str, files: Sequence[str], values: dict[str, Any], conditions: str = ""
    ) -> list[dict[str, Any]]:
        names = {self._blobs.location(file): file for file in files}
        try:
            return duck.rows(sql(question).replace("{conditions}", conditions), list(names), values)
        except FileDamaged as exc:
            raise FileDamaged(names[exc.name], exc.reason) from exc

    def _summaries(self, rows: Sequence[dict[str, Any]]) -> list[EmailSummary]:
        files = sorted({row["segment"] + PARQUET_SUFFIX for row in rows})
        values = {"user_id": self._user_id, "message_ids": [row["message_id"] for row in rows]}
        content = {found["message_id"]: found for found in self._rows("summaries", files, values)}
        for row in rows:
            if row["message_id"] not in content:
                raise _lacks(row["segment"] + PARQUET_SUFFIX, row["message_id"])
        return [_summary(row, content[row["message_id"]]) for row in rows]


def _lacks(file: str, message_id: int) -> FileDamaged:
    return FileDamaged(file, f"message {to_hex(message_id)} is not in it")


def _summary(row: dict[str, Any], content: dict[str, Any]) -> EmailSummary:
    return EmailSummary(
        id=to_hex(row["message_id"]),
        thread_id=to_hex(row["thread_id"]),
        date=row["received_at"],
        sender=content["from"],
        to=tuple(content["to"]),
        cc=tuple(content["cc"]),
        subject=content["subject"],
        snippet=content["snippet"],
        labels=tuple(sorted(row["labels"])),
        size_bytes=row["size_bytes"],
        has_attachment=content["has_attachment"],
        deleted_at=row["deleted_at"],
        defects=tuple(content["defects"]),
    )


def _attachment(part: dict[str, Any]) -> Attachment:
    return Attachment(
        part=part["part"],
        filename=part["filename"],
        content_type=part["content_type"],
        size_bytes=part["size_bytes"],
        sha256=bytes(part["sha256"]).hex(),
        inline=part["inline"],
    )

"""One user's mail, to read: lists, searches, single messages, exact bytes.

A `MailboxReader` is made for a user and cannot ask about another: every query carries its `user_id`. Lists and lookups
come from the message index in Postgres, content from DuckDB over the Parquet files that the catalogue names.
Blocking: call it from a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from storage.blobs import FileDamaged, LocalBlobs
from storage.config import ArchiveConfig
from storage.databases import transaction
from storage.emails import Attachment, Email, EmailSummary, Position, Rank
from storage.finding import Finder
from storage.identifier import from_hex, to_hex
from storage.language.conditions import Condition, Labelled, all_of, wanted
from storage.language.highlighting import Highlight, fragments
from storage.language.meaning import HIDDEN, Mailbox, mentions_me
from storage.language.parser import parse
from storage.language.plan import EARLIEST, LATEST, plan
from storage.language.tree import EVERYTHING, Tree
from storage.mailfiles import MailFiles
from storage.queries import query
from storage.raw import Location, unpack
from storage.records import MailboxRecord
from storage.segment import PARQUET_SUFFIX, RAW_SUFFIX
from storage.splits.cache import SplitCache, cache_of

_TOP = Position(LATEST, (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, newest first, and the position to go on from; None at the end."""

    items: tuple[EmailSummary, ...]
    next: Position | None


@dataclass(frozen=True, slots=True)
class RankedPage:
    """A part of a list, most relevant first, and the rank to go on from; None at the end."""

    items: tuple[EmailSummary, ...]
    next: Rank | None


@dataclass(frozen=True, slots=True)
class Label:
    """A label as Gmail names it. `type`: system or user."""

    id: str
    name: str
    type: str


class MailboxReader:
    """Reads one user's mail."""

    def __init__(self, user_id: int, engine: Engine, blobs: LocalBlobs, splits: SplitCache | None = None) -> None:
        """`splits`: None: this process's own, in a temporary folder."""
        self._user_id, self._engine, self._blobs = user_id, engine, blobs
        self._files = MailFiles(user_id, engine, blobs, splits or cache_of(ArchiveConfig()))
        self._finder = Finder(user_id, engine, self._files)

    def emails(
        self,
        text: str = "",
        labels: Sequence[str] = (),
        limit: int = 50,
        after: Position | None = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
        now: datetime | None = None,
    ) -> Page:
        """Messages that match a search (storage/language) and carry all labels, newest first.

        Args:
            now: what the ages in a search count from; None: this moment.

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        shown = include_spam_trash or bool({*labels} & {*HIDDEN})
        asked = self._meaning(parse(text), now or datetime.now(UTC), shown)
        found = plan(all_of((asked, *(Labelled(label) for label in labels))))
        rows = self._finder.find(found, after or _TOP, limit + 1, include_deleted)
        items = self._summaries(rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(tuple(items), Position(last["received_at"], last["message_id"]) if last else None)

    def best(
        self,
        text: str,
        labels: Sequence[str] = (),
        limit: int = 50,
        after: Rank | None = None,
        include_spam_trash: bool = False,
        include_deleted: bool = False,
        now: datetime | None = None,
    ) -> RankedPage:
        """What `emails` finds, most relevant first, 2,000 at most. Mail newer than any match of the first page's
        moment is in none of the following.

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        shown = include_spam_trash or bool({*labels} & {*HIDDEN})
        asked = self._meaning(parse(text), now or datetime.now(UTC), shown)
        found = plan(all_of((asked, *(Labelled(label) for label in labels))))
        start, passed = (Position(after.until, _TOP.message_id), after.passed) if after else (_TOP, 0)
        rows, newest_at = self._finder.best(found, start, passed + limit + 1, include_deleted)
        more = len(rows) > passed + limit
        following = Rank(after.until if after else newest_at, passed + limit) if more else None
        return RankedPage(tuple(self._summaries(rows[passed : passed + limit])), following)

    def highlights(self, text: str, ids: Sequence[str]) -> dict[str, list[Highlight]]:
        """Pieces of the subjects and texts around what a search looks for, of a page of messages, by id (hex).

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        asked = list(wanted(self._meaning(parse(text), datetime.now(UTC), True)))
        message_ids = [from_hex(each) for each in ids]
        if not asked or not message_ids:
            return {}
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "message_ids": message_ids}
            segments = connection.execute(query("segments_of_messages"), values).scalars()
            files = [name + PARQUET_SUFFIX for name in segments]
        found = self._files.rows("subjects_texts", files, {"message_ids": message_ids})
        return {
            to_hex(row["message_id"]): [
                each for field in ("subject", "text") for each in fragments(field, row[field], asked)
            ]
            for row in found
        }

    def email(self, message_id: int) -> Email | None:
        """One message without its raw bytes; None when this user has none of this id."""
        row = self._locate(message_id)
        if row is None:
            return None
        file = row["segment"] + PARQUET_SUFFIX
        values = {"message_id": message_id}
        found = self._files.rows("email", [file], values)
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
        values = {"limit": limit}
        return self._files.rows("top_senders", self._files.names(EARLIEST, LATEST), values)

    def defective(self, limit: int) -> list[dict[str, Any]]:
        """{id, received_at, from, subject, defects} of messages with MIME defects, newest first."""
        values = {"limit": limit}
        found = self._files.rows("defective", self._files.names(EARLIEST, LATEST), values)
        return [{"id": to_hex(row.pop("message_id")), **row} for row in found]

    def defective_count(self) -> int:
        """How many messages have MIME defects."""
        found = self._files.rows("defective_count", self._files.names(EARLIEST, LATEST), {})
        return int(found[0]["messages"]) if found else 0

    def _meaning(self, tree: Tree, now: datetime, include_hidden: bool) -> Condition:
        if tree == EVERYTHING:
            return Mailbox({}).meaning(tree, now, include_hidden)
        state = self.state() if mentions_me(tree) else None
        names = {label.name.lower(): label.id for label in self.labels()}
        return Mailbox(names, state.email if state else "").meaning(tree, now, include_hidden)

    def _locate(self, message_id: int) -> dict[str, Any] | None:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "message_id": message_id}
            row = connection.execute(query("email_location"), values).first()
            return dict(row._mapping) if row else None

    def _summaries(self, rows: Sequence[dict[str, Any]]) -> list[EmailSummary]:
        files = sorted({row["segment"] + PARQUET_SUFFIX for row in rows})
        values = {"message_ids": [row["message_id"] for row in rows]}
        content = {found["message_id"]: found for found in self._files.rows("summaries", files, values)}
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

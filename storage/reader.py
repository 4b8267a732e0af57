"""Reads one user's mail, now or as of a time: lists, searches, single messages, exact bytes.

A `MailboxReader` is bound to one user: every query carries its `user_id`. Lists and lookups come from the message index
in Postgres, content from DuckDB over the Parquet files that the catalog names. Blocking: call it from a thread.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from storage.analytics.selection import EVER, Span
from storage.analytics.stats import MailboxStats, StatsFilter
from storage.config import ArchiveConfig
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.files.blobs import LocalBlobs
from storage.files.kept_answers import KeptAnswers
from storage.fulltext.cache import SplitCache, cache_of
from storage.mailbox.analysis_reader import Analyses
from storage.mailbox.classification import classification_of
from storage.mailbox.failures import Failed, failures
from storage.mailbox.lookups import Located
from storage.mailbox.message import Single
from storage.mailbox.query_resolver import QueryResolver
from storage.mailbox.row_mapping import change_of, stored_of, summary_of
from storage.mailbox.search import SearchExecutor
from storage.mailbox.segment_files import MailFiles, retry_on_missing_file
from storage.mailbox.texts import HERE, Texts
from storage.mailbox.threads import Conversations
from storage.model.mail_query import ALL_MAIL, MailQuery
from storage.model.message_id import from_hex, to_hex
from storage.model.records import MailboxRecord
from storage.model.results import Body, ChangePage, Email, Label, Page, PageCursor, RankCursor, RankedPage, Stored
from storage.model.schemas import MESSAGES
from storage.model.time_range import EARLIEST, LATEST
from storage.query.conditions import Contains, wanted
from storage.query.highlighting import Highlight
from storage.query.parser import parse
from storage.query.plan import Plan, plan
from storage.query.tree import EVERYTHING
from storage.segments.file_names import PARQUET_SUFFIX
from storage.segments.frame_cache import Frames
from storage.sql_sandbox.views import MailViews

_LOG = logging.getLogger(__name__)
_TOP = PageCursor(LATEST, (1 << 63) - 1)


class MailboxReader:
    """Reads one user's mail."""

    def __init__(
        self,
        user_id: int,
        engine: Source,
        blobs: LocalBlobs,
        splits: SplitCache | None = None,
        body: Callable[[bytes], Body] | None = None,
        frames: Frames | None = None,
        texts: Texts = HERE,
    ) -> None:
        """`splits`: None: this process's cache in a temporary folder. `body`: MIME parser; None reads the Parquet.

        `frames`: cache of raw frames; None: no cache. `texts`: reads what strangers wrote.
        """
        self._user_id, self._engine, self._blobs = user_id, engine, blobs
        self._files = MailFiles(user_id, engine, blobs, splits or cache_of(ArchiveConfig()), texts)
        self._resolver = QueryResolver(user_id, engine)
        self._kept = KeptAnswers(blobs)
        self._analyses = Analyses(user_id, engine, blobs)
        self._single = Single(user_id, engine, blobs, self._files, body, frames)

    def emails(self, mail_query: MailQuery = ALL_MAIL, limit: int = 50, after: PageCursor | None = None) -> Page:
        """The selected messages, newest first.

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        search_plan = self._resolver.plan(mail_query)
        return retry_on_missing_file(lambda: self._page(search_plan, mail_query, after or _TOP, limit))

    def _page(self, search_plan: Plan, mail_query: MailQuery, after: PageCursor, limit: int) -> Page:
        executor = SearchExecutor(self._user_id, self._engine, self._files, mail_query.as_of)
        rows = executor.find(search_plan, after, limit + 1, mail_query.include_deleted)
        items = [
            summary_of(row, content) for row, content in zip(rows, self._files.summaries(rows[:limit]), strict=False)
        ]
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(tuple(items), PageCursor(last["received_at"], last["message_id"]) if last else None)

    def best(self, mail_query: MailQuery, limit: int = 50, after: RankCursor | None = None) -> RankedPage:
        """The selected messages, most relevant first, at most 2,000.

        Messages that are newer than every match at the time of the first page are on none of the later pages.

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        search_plan = self._resolver.plan(mail_query)
        return retry_on_missing_file(lambda: self._ranked(search_plan, mail_query, after, limit))

    def _ranked(self, search_plan: Plan, mail_query: MailQuery, after: RankCursor | None, limit: int) -> RankedPage:
        executor = SearchExecutor(self._user_id, self._engine, self._files, mail_query.as_of)
        start, passed = (PageCursor(after.until, _TOP.message_id), after.passed) if after else (_TOP, 0)
        rows, newest_at = executor.best(search_plan, start, passed + limit + 1, mail_query.include_deleted)
        more = len(rows) > passed + limit
        following = RankCursor(after.until if after else newest_at, passed + limit) if more else None
        shown = rows[passed : passed + limit]
        items = tuple(
            summary_of(row, content) for row, content in zip(shown, self._files.summaries(shown), strict=True)
        )
        return RankedPage(items, following)

    def highlights(self, text: str, ids: Sequence[str]) -> dict[str, list[Highlight]]:
        """Fragments of subjects and texts around a search's words, for a page of messages, by id (hex).

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        searched = list(wanted(self._resolver.of(parse(text), datetime.now(UTC), True)))
        message_ids = [from_hex(message_id) for message_id in ids]
        if not searched or not message_ids:
            return {}
        return retry_on_missing_file(lambda: self._highlights(searched, message_ids))

    def _highlights(self, searched: Sequence[Contains], message_ids: Sequence[int]) -> dict[str, list[Highlight]]:
        with transaction(self._engine) as connection:
            values = {"user_id": self._user_id, "message_ids": message_ids}
            segments = connection.execute(query("segments_of_messages"), values).scalars()
            files = [name + PARQUET_SUFFIX for name in segments]
        rows = self._files.rows("subjects_texts", files, {"message_ids": message_ids})
        found = self._files.texts.fragments([(row["subject"], row["text"]) for row in rows], searched)
        return {to_hex(row["message_id"]): pieces for row, pieces in zip(rows, found, strict=True)}

    def email(self, message_id: int, as_of: datetime | None = None) -> Email | None:
        """One message without its raw bytes, now or as of a time; None when the user has (had) no such message."""
        return self._single.email(message_id, as_of)

    def email_at(self, located: Located) -> Email | None:
        """The message in a state that `lookups.locations` returned; None if its files were merged since.

        Raises:
            FileDamaged.
        """
        return self._single.email_at(located)

    def raw_at(self, located: Located) -> bytes | None:
        """Its exact bytes, verified against their SHA-256. Otherwise as `email_at`."""
        return self._single.raw_at(located)

    def changes(
        self, since: datetime, until: datetime, limit: int = 50, after: PageCursor | None = None, vanished: bool = False
    ) -> ChangePage:
        """Differences of the messages' states between `since` and `until`, newest mail first.

        Args:
            vanished: only messages deleted or moved to Trash.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        start = after or _TOP
        values = {
            "user_id": self._user_id,
            "since": since,
            "until": until,
            "vanished": vanished,
            "limit": limit + 1,
            "before_at": start.received_at,
            "before_id": start.message_id,
        }
        with transaction(self._engine) as connection:
            rows = [dict(row._mapping) for row in connection.execute(query("changes"), values)]
        shown = rows[:limit]
        items = tuple(change_of(row, content) for row, content in zip(shown, self._files.summaries(shown), strict=True))
        more = len(rows) > limit
        return ChangePage(items, PageCursor(shown[-1]["received_at"], shown[-1]["message_id"]) if more else None)

    def select(self, text: str, as_of: datetime, include_deleted: bool, batch: int) -> Iterator[list[Stored]]:
        """Every message that matches a search as of a time, newest first, in batches.

        An empty search selects everything; any other excludes Spam and Trash as `emails` does.

        Raises:
            InvalidQuery, FileDamaged, DatabaseUnreachable.
        """
        tree = parse(text)
        search_plan = plan(self._resolver.of(tree, as_of, tree == EVERYTHING))
        executor = SearchExecutor(self._user_id, self._engine, self._files, as_of)
        start = _TOP
        while rows := executor.find(search_plan, start, batch, include_deleted):
            with transaction(self._engine) as connection:
                ids = [row["message_id"] for row in rows]
                labels = classification_of(connection, self._user_id, ids, as_of)
            stored = [stored_of(row) for row in rows]
            yield [replace(one, classification=labels.get(one.message_id, "")) for one in stored] if labels else stored
            start = PageCursor(rows[-1]["received_at"], rows[-1]["message_id"])

    def content(self, messages: Sequence[Stored]) -> pa.Table:
        """Rows of schemas.MESSAGES, in any order, of messages in one segment, with the labels of their fetch.

        Raises:
            FileDamaged: the file is damaged or lacks a message.
        """
        values = {
            "message_ids": [message.message_id for message in messages],
            "first_at": min(message.received_at for message in messages),
            "last_at": max(message.received_at for message in messages),
        }
        file = messages[0].segment + PARQUET_SUFFIX
        return self._files.table("content", [file], values).select(MESSAGES.names).cast(MESSAGES)

    def raw(self, message_id: int, as_of: datetime | None = None) -> bytes | None:
        """The exact bytes of a message, verified against their SHA-256; None when the user has (had) no such message.

        Raises:
            FileDamaged.
        """
        return self._single.raw(message_id, as_of)

    def parsable(self, message_id: int, as_of: datetime | None = None) -> bytes | None:
        """As `raw`, for a caller that parses the bytes.

        Raises:
            FileDamaged.
            MessageUnparsable: parsing them takes too long, or too much memory.
        """
        return self._single.parsable(message_id, as_of)

    @property
    def conversations(self) -> Conversations:
        """The mailbox's threads, and the number of messages by label."""
        return Conversations(self._user_id, self._engine, self._files)

    def stats(self, text: str = "", span: Span = EVER, as_of: datetime | None = None) -> MailboxStats:
        """Statistics of the matches of a search in a time range, now or as of a time."""
        stats_filter = StatsFilter(text, span, as_of)
        return MailboxStats(self._user_id, self._engine, self._files, self._analyses, self._resolver, stats_filter)

    @property
    def views(self) -> MailViews:
        """The mailbox as the tables of the SQL sandbox."""
        return MailViews(self._user_id, self._engine, self._files, self._analyses)

    def version(self) -> str | None:
        """Changes with every change to the mailbox's data; None before its shard has opened the mailbox."""
        return retry_on_missing_file(self._version)

    def _version(self) -> str | None:
        with transaction(self._engine) as connection:
            version: str | None = connection.execute(query("mailbox_version"), {"user_id": self._user_id}).scalar()
            return version

    def labels(self) -> list[Label]:
        """The mailbox's labels."""
        return self._resolver.labels()

    def present(self) -> datetime:
        """The current time by the database's clock, which stamps commits."""
        with transaction(self._engine) as connection:
            at: datetime = connection.execute(query("transaction_time")).scalar_one()
            return at

    def state(self) -> MailboxRecord | None:
        """The mailbox's sync state as last committed; None before its shard has opened it."""
        return self._resolver.state()

    def failures(self, limit: int) -> list[Failed]:
        """Items of the mailbox that could not be backed up, at most `limit`."""
        return failures(self._engine, [self._user_id], limit, self._kept)

    def received(self, message_id: int) -> bytes | None:
        """What Gmail answered about a message that could not be stored, as JSON; None: nothing of it is kept."""
        return self._kept.read(self._user_id, message_id)

    def top_senders(self, limit: int) -> list[dict[str, Any]]:
        """{sender, messages, size_bytes}, most messages first."""
        return self._over_all("top_senders", {"limit": limit})

    def timeline(self) -> list[dict[str, Any]]:
        """{month, messages, size_bytes}, oldest first; months in UTC."""
        return self._over_all("timeline", {})

    def defective(self, limit: int) -> list[dict[str, Any]]:
        """{id, received_at, from, subject, defects} of messages with MIME defects, newest first."""
        rows = self._over_all("defective", {"limit": limit})
        return [{"id": to_hex(row.pop("message_id")), **row} for row in rows]

    def defective_count(self) -> int:
        """Number of messages with MIME defects."""
        rows = self._over_all("defective_count", {})
        return int(rows[0]["messages"]) if rows else 0

    def _over_all(self, question: str, values: dict[str, object]) -> list[dict[str, Any]]:
        return retry_on_missing_file(lambda: self._files.rows(question, self._files.names(EARLIEST, LATEST), values))

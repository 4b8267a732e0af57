"""Statistics of one mailbox: counts and states from the message index, content from the Parquet files.

Every number covers the selected messages (storage/analytics/selection.py), including deleted ones unless stated
otherwise. Where a time range alone selects them, the counts that triggers maintain (migration 0011) are used: by label
for the whole mailbox, by UTC day and half hour for ranges that begin and end with one. A bucket in a time zone uses the
counts of the days that lie in it, and splits the other days by half hours, or by messages where the zone's hours do not
begin at half hours.

Measured 2026-11 on 2 cores at a load of 2, Postgres 15, p50/p95 ms, 100,000 and 2,500,000 messages of ten years.
Overview: 8/12, 8/11. Months in Zurich: 20/23, 15/22. Days there: 96/139, 125/178. Months in Kathmandu: 22/28, 92/123.
From the index instead, on a faster machine: overview 189/197, 5268/6233, months in Kathmandu 90/93, 1681/1779. There
an UPDATE of the labels of 1,000 messages took 19 ms with the triggers, 10 without.

Every query is bound to the user's id. Blocking: call it from a thread.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa
from sqlalchemy import Connection, TextClause
from sqlalchemy.exc import DataError

from storage.analytics import attachment_totals
from storage.analytics.attachment_totals import Attached
from storage.analytics.selection import EVER, Selected, Span, planned, select, table_of
from storage.analytics.time_zones import HALF_HOURS_SINCE, HALF_HOURS_UNTIL, UnknownZone, in_half_hours, mondays
from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.mailbox.acquaintance import Acquaintances
from storage.mailbox.analysis_reader import Analyses
from storage.mailbox.query_resolver import QueryResolver
from storage.mailbox.search import SearchExecutor
from storage.mailbox.segment_files import MailFiles, retry_on_missing_file

Side = Literal["senders", "recipients"]
Bucket = Literal["hour", "day", "week", "month", "quarter", "year"]
Row = dict[str, Any]
_HALF_HOUR, _DAY = timedelta(minutes=30), timedelta(days=1)
#: No values.
_NOTHING: Mapping[str, object] = {}


class TooManyBuckets(BackupError):
    """The timeline has more buckets than the limit. Select larger buckets, or a shorter time range."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.most = most

    def __str__(self) -> str:
        return f"The answer has more than {self.most} buckets: select larger buckets, or a shorter time range."


@dataclass(frozen=True, slots=True)
class StatsFilter:
    """The messages to count: the matches of a search in a time range, as of a time (None: now)."""

    text: str = ""
    span: Span = EVER
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """years: {year, messages, size_bytes, deleted, unread, sent}, oldest first. first_at, last_at: None if empty."""

    years: list[Row]
    first_at: datetime | None
    last_at: datetime | None


class MailboxStats:
    """Statistics of one user's mail. Every method raises InvalidQuery, FileDamaged and DatabaseUnreachable."""

    def __init__(
        self,
        user_id: int,
        engine: Source,
        files: MailFiles,
        analyses: Analyses,
        resolver: QueryResolver,
        stats_filter: StatsFilter,
    ) -> None:
        self._user_id, self._engine, self._files, self._analyses = user_id, engine, files, analyses
        self._acquaintances = Acquaintances(user_id, engine, files)
        self._resolver, self._filter = resolver, stats_filter
        self._selection: Selected | None = None

    def overview(self) -> Overview:
        """Totals by year (UTC), and when the first and the last message were received."""
        counted = self._counted_by()
        if counted:
            [both] = self.of_index("first_and_last_received")
            return Overview(self._of_counts(f"overview_of_{counted}"), both["first_at"], both["last_at"])
        rows = self.of_index("overview_of_index")
        ends = [(row.pop("first_at"), row.pop("last_at")) for row in rows]
        return Overview(rows, ends[0][0] if ends else None, ends[-1][1] if ends else None)

    def labels(self, limit: int) -> list[Row]:
        """{label_id, name, type, messages, unread, size_bytes} of messages that are not deleted, most messages first.

        Labels without selected messages are included, with zeros.
        """
        selected = self._selected()
        whole = selected.is_span and selected.span == EVER
        values = {"limit": limit}
        return self._of_counts("label_sums", values) if whole else self.of_index("label_totals", values)

    def attachments(self) -> Attached:
        """Totals of the messages' attachments."""
        selected = self._selected()
        if selected.is_span and selected.span == EVER:
            return retry_on_missing_file(self._all_attached)
        rows = self.of_content("attachments_total")
        return Attached(**rows[0]) if rows else Attached()

    def senders(self, limit: int) -> list[Row]:
        """{address, name, messages, size_bytes, first_at, last_at}, most messages first; `name`: of the newest."""
        return self.of_content("senders", {"limit": limit})

    def recipients(self, limit: int) -> list[Row]:
        """{address, messages, size_bytes, first_at, last_at} of To, Cc and Bcc together, most messages first.

        A message counts once for each of its addresses.
        """
        return self.of_content("recipients", {"limit": limit})

    def domains(self, side: Side, limit: int, by_size: bool = False) -> list[Row]:
        """{domain, messages, size_bytes, first_at, last_at}, most messages or most bytes first.

        A message counts once for each domain. Senders without a domain are counted under "".
        """
        return self.of_content(f"domains_of_{side}", {"limit": limit, "by_size": by_size})

    def timeline(self, bucket: Bucket, zone: ZoneInfo, most: int) -> list[Row]:
        """{start, messages, size_bytes, deleted, unread, sent} of every bucket that has messages, oldest first.

        Args:
            zone: time zone of the buckets (weeks begin on Monday) and of `start`.
            most: limit of buckets.

        Raises:
            TooManyBuckets: the limit is exceeded.
            UnknownZone: the database does not have the zone.
        """
        source, values = self._source(bucket, zone)
        run = self.of_index if source == "index" else self._of_counts
        rows = run(f"timeline_of_{source}", {"limit": most + 1, **values}, zone)
        if len(rows) > most:
            raise TooManyBuckets(most)
        for row in rows:
            row["start"] = _start(row["start"], row.pop("offset_s"), zone)
        return rows

    def activity(self, zone: ZoneInfo) -> list[Row]:
        """{weekday, hour, messages, sent} of every hour of the week that has messages; weekday: 1 (Monday) to 7.

        Raises:
            UnknownZone: the database does not have the zone.
        """
        changes = self._changes(zone) if self._counted_by() else None
        if changes is None:
            return self.of_index("activity_of_index", {}, zone)
        return self._of_counts("activity_of_half_hours", changes, zone)

    def of_index(
        self, question: str, values: Mapping[str, object] = _NOTHING, zone: ZoneInfo | None = None
    ) -> list[Row]:
        """Run storage/db/sql/postgres/QUESTION.sql over the selected messages; local times are in `zone`, or UTC."""
        return self._run(lambda selected: selected.query(question), values, zone)

    def _of_counts(
        self, question: str, values: Mapping[str, object] = _NOTHING, zone: ZoneInfo | None = None
    ) -> list[Row]:
        """Run storage/db/sql/postgres/QUESTION.sql over the counts that triggers maintain."""
        return self._run(lambda _: query(question), values, zone)

    def _run(
        self, statement: Callable[[Selected], TextClause], values: Mapping[str, object], zone: ZoneInfo | None
    ) -> list[Row]:
        def ask() -> list[Row]:
            selected = self._selected()
            with transaction(self._engine) as connection:
                if zone is not None:
                    _be_in(connection, zone)
                rows = connection.execute(statement(selected), {**selected.bound(self._user_id), **values})
                names = list(rows.keys())
                return [dict(zip(names, row, strict=True)) for row in rows.all()]  # may be thousands of days

        return retry_on_missing_file(ask)

    def of_content(
        self,
        question: str,
        values: Mapping[str, object] = _NOTHING,
        labels: Sequence[str] = (),
        analysis: pa.Schema | None = None,
        threads: bool = False,
        acquaintances: bool = False,
    ) -> list[Row]:
        """Run storage/db/sql/duckdb/QUESTION.sql; {chosen} becomes a condition on the selected messages' ids.

        Args:
            labels: for each, a table named after it in lower case: {message_id} of the messages with the label.
            threads: with the table `mended` {message_id, thread_id}: messages of other threads than their files name.
            acquaintances: with the table `acquaintances` of the mailbox's evidence (acquaintance.SCHEMA).
            analysis: columns of the table `analysis`: {message_id} and the analysers' results; missing ones are null.
        """

        def ask() -> list[Row]:
            selected = self._selected()
            bounds = {"first_at": selected.span.first_at, "last_at": selected.span.last_at}
            tables = {label.lower(): self._ids(selected, [label]) for label in labels}
            if threads:
                tables["mended"] = self._mended_threads()
            if acquaintances:
                everything = Selected(EVER, selected.as_of)
                stored = None if selected.as_of is None else self._ids(everything, [])
                tables["acquaintances"] = self._acquaintances.table(stored)
            if analysis is not None:
                tables["analysis"] = self._analyses.conformed(analysis, **bounds)
            chosen = "TRUE"
            if not selected.is_span:
                tables["chosen"] = self._ids(selected, [])
                chosen = "message_id IN (SELECT message_id FROM chosen)"
                if not tables["chosen"].num_rows:
                    return []
            files = self._files.names(**bounds)
            return self._files.rows(question, files, {**values, **bounds}, {"chosen": chosen}, tables)

        return retry_on_missing_file(ask)

    def summaries(self, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """The list columns of messages (`MailFiles.summaries`)."""
        return self._files.summaries(rows)

    def address(self) -> str:
        """The mailbox's own address; "" before its shard has opened it."""
        state = self._resolver.state()
        return state.email.lower() if state else ""

    def _all_attached(self) -> Attached:
        names = self._files.names(EVER.first_at, EVER.last_at)
        return attachment_totals.SHARED.of(self._user_id, self._files, names)

    def _ids(self, selected: Selected, labels: Sequence[str]) -> pa.Table:
        with transaction(self._engine) as connection:
            values = {**selected.bound(self._user_id), "labels": list(labels)}
            return table_of(connection.execute(selected.query("selected_ids"), values).scalar())

    def _mended_threads(self) -> pa.Table:
        """Messages whose threads were mended, which their files do not know; mostly none."""
        with transaction(self._engine) as connection:
            rows = connection.execute(query("threads_mended"), {"user_id": self._user_id}).all()
        ids = pa.array([row.message_id for row in rows], pa.int64())
        return pa.table({"message_id": ids, "thread_id": pa.array([row.thread_id for row in rows], pa.int64())})

    def _counted_by(self) -> Literal["days", "half_hours"] | None:
        """The counts that cover exactly the selected messages: by UTC day, by half hour, or none."""
        selected = self._selected()
        ends = (selected.span.first_at, selected.span.last_at)
        if not selected.is_span or any((at - HALF_HOURS_SINCE) % _HALF_HOUR for at in ends):
            return None
        return "half_hours" if any((at - HALF_HOURS_SINCE) % _DAY for at in ends) else "days"

    def _source(self, bucket: Bucket, zone: ZoneInfo) -> tuple[str, Row]:
        """The query of a timeline, and its parameters."""
        counted, cut = self._counted_by(), {"bucket": bucket}
        changes = self._changes(zone) if counted else None
        if counted == "days" and (bucket not in ("hour", "day") or (bucket == "day" and zone.key == "UTC")):
            return ("days" if changes is not None else "days_and_index"), cut
        if changes is None:
            return "index", cut
        return ("half_hours_by_day", changes) if bucket == "day" else ("half_hours", cut)

    def _changes(self, zone: ZoneInfo) -> Row | None:
        """How half hours of UTC map to a zone's days and weeks; None: for some of the mail they do not."""
        first_at = last_at = HALF_HOURS_SINCE
        if zone.key != "UTC":
            [ends] = self.of_index("first_and_last_received")
            first_at, last_at = ends["first_at"] or HALF_HOURS_SINCE, ends["last_at"] or HALF_HOURS_SINCE
            if first_at < HALF_HOURS_SINCE or last_at >= HALF_HOURS_UNTIL or not in_half_hours(zone):
                return None
        changes, midnights = mondays(zone, first_at, last_at)
        return {"changes": changes, "mondays": midnights}

    def _selected(self) -> Selected:
        if self._selection is None:
            stats_filter = self._filter
            plan = planned(self._resolver, stats_filter.text, stats_filter.span, stats_filter.as_of)
            self._selection = select(
                SearchExecutor(self._user_id, self._engine, self._files, stats_filter.as_of), plan, stats_filter.as_of
            )
        return self._selection


def _be_in(connection: Connection, zone: ZoneInfo) -> None:
    """Set the time zone of the rest of a transaction.

    A setting, not an argument of AT TIME ZONE: the latter takes CET for the abbreviation, which has no summer time.
    """
    try:
        connection.execute(query("time_zone"), {"zone": zone.key})
    except DataError as exc:
        raise UnknownZone(zone.key) from exc


def _start(local: datetime, offset_s: int | None, zone: ZoneInfo) -> datetime:
    """The start of a bucket. offset_s: of an hour, because one local hour occurs twice in autumn."""
    if offset_s is None:
        return local.replace(tzinfo=zone)
    return (local - timedelta(seconds=offset_s)).replace(tzinfo=UTC).astimezone(zone)

"""Counts over all mailboxes, for operators; no number is of a single message, and no name or address is included.

Results are cached for some seconds and computed one at a time, because each reads the counts of every mailbox.
Blocking: call it from a thread.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal

from storage.analytics.selection import Span
from storage.analytics.stats import TooManyBuckets
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.fleet import shard_status
from storage.fleet.analysis_stats import FleetAnalysisStats

DayBucket = Literal["day", "week", "month", "quarter", "year"]
Row = dict[str, Any]

#: Seconds that a result is cached.
_KEPT_S = 30.0
#: Number of cached results.
_MOST = 100


class Totals:
    """Counts all mail. Every method raises DatabaseUnreachable."""

    def __init__(
        self,
        databases: Databases,
        shards: Callable[[], Mapping[int, int]],
        analysis_stats: FleetAnalysisStats,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """shards: returns the current shard map: shard -> index of its database (`Control.shards`)."""
        self._databases, self._shards, self._analysis_stats, self._clock = databases, shards, analysis_stats, clock
        self._kept: dict[Hashable, tuple[float, list[Row]]] = {}
        self._lock = threading.Lock()

    def by_time(self, bucket: DayBucket, span: Span, most: int) -> list[Row]:
        """{start, messages, size_bytes, deleted, unread, sent} of every bucket (UTC) that has mail, oldest first.

        Args:
            span: begins and ends at half hours.

        Raises:
            TooManyBuckets: more than `most`.
        """
        values = {"bucket": bucket, "first_at": span.first_at, "last_at": span.last_at, "limit": most + 1}
        rows = self._answer(
            ("totals_by_time", bucket, span), lambda: self._summed("totals_by_time", ("start",), values)
        )
        if len(rows) > most:
            raise TooManyBuckets(most)
        return rows

    def sizes(self) -> list[Row]:
        """{at_least, mailboxes, messages, size_bytes}: mailboxes by powers of ten of their messages, smallest first."""
        return self._answer("sizes", lambda: self._summed("totals_of_mailboxes", ("at_least",), {}))

    def by_hour(self) -> list[Row]:
        """{weekday, hour, messages, sent} of each hour of the week (UTC; Monday is 1) that has mail."""
        return self._answer("hours", lambda: self._summed("totals_by_hour", ("weekday", "hour"), {}))

    def by_label(self) -> list[Row]:
        """{label, messages, unread, size_bytes} of Gmail's system labels, deleted messages excluded."""
        return self._answer("labels", lambda: self._summed("totals_by_label", ("label",), {}))

    def judged(self, question: str) -> list[Row]:
        """{what, messages} of a question of fleet/analysis_stats.py, most messages first; what is None: no result.

        Raises:
            FileDamaged.
        """
        return self._answer(("judged", question), lambda: self._analysis_totals(question))

    def shards(self) -> list[Row]:
        """Every shard, by number, with its contents (storage/fleet/shard_status.py)."""
        return self._answer("shards", lambda: shard_status.shards(self._databases, self._shards()))

    def _answer(self, question: Hashable, make: Callable[[], list[Row]]) -> list[Row]:
        with self._lock:
            now = self._clock()
            self._kept = {key: kept for key, kept in self._kept.items() if now - kept[0] < _KEPT_S}
            if question not in self._kept:
                if len(self._kept) >= _MOST:
                    self._kept.clear()
                self._kept[question] = now, make()
            return self._kept[question][1]

    def _analysis_totals(self, question: str) -> list[Row]:
        places, names = self._shards(), list[str]()
        for database in range(self._databases.shard_databases):
            numbers = [shard_id for shard_id, index in places.items() if index == database]
            with transaction(self._databases.shard_database(database)) as connection:
                names += connection.execute(query("analyses_of_shards"), {"shard_ids": numbers}).scalars()
        counts = self._analysis_stats.of(question, names)
        return [
            {"what": what, "messages": messages}
            for what, messages in sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
        ]

    def _summed(self, question: str, keys: tuple[str, ...], values: Mapping[str, object]) -> list[Row]:
        """The rows of all databases; rows with equal keys are added up."""
        places, sums = self._shards(), defaultdict[Any, dict[str, int]](lambda: defaultdict(int))
        for database in range(self._databases.shard_databases):
            numbers = [shard_id for shard_id, index in places.items() if index == database]
            with transaction(self._databases.shard_database(database)) as connection:
                for row in connection.execute(query(question), {**values, "shard_ids": numbers}):
                    for name, value in row._mapping.items():
                        if name not in keys:
                            sums[tuple(row._mapping[key] for key in keys)][name] += value
        return [{**dict(zip(keys, key, strict=True)), **sums[key]} for key in sorted(sums)]

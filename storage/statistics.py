"""One mailbox in numbers that the message index gives: counts, sizes, labels, threads, as they are or were.

What stands in messages themselves is counted by storage/contents.py. Every question carries the user's id. Blocking:
call it from a thread.
"""

from typing import Any, Literal, get_args
from zoneinfo import available_timezones

from sqlalchemy import text
from sqlalchemy.exc import DataError

from storage import moments
from storage.databases import Source, transaction
from storage.errors import BackupError
from storage.mailfiles import patiently
from storage.selecting import Chosen

Bucket = Literal["hour", "day", "week", "month", "quarter", "year"]
#: Of a timeline, at most: fourteen years of days, or half a year of hours.
MOST_BUCKETS = 5000


class TooManyBuckets(BackupError):
    """A timeline would have more points than an answer holds. Ask for larger ones, or for a shorter time."""

    def __init__(self, bucket: str) -> None:
        super().__init__(bucket)
        self.bucket = bucket

    def __str__(self) -> str:
        larger = get_args(Bucket)[min(get_args(Bucket).index(self.bucket) + 1, 5)]
        return (
            f"By {self.bucket} that would be more than {MOST_BUCKETS:,} points: "
            f"ask by {larger}, or narrow `from` to `to`."
        )


class UnknownTimeZone(BackupError):
    """No time zone has this name, or the database lacks it. Use one of the IANA time zone database."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no time zone {self.name[:100]!r}: use a name like Europe/Berlin or UTC."


class Statistics:
    """Counts a selection of one user's mail."""

    def __init__(self, user_id: int, engine: Source, chosen: Chosen) -> None:
        self._user_id, self._engine, self._chosen = user_id, engine, chosen

    def years(self) -> list[dict[str, Any]]:
        """{year, messages, size_bytes, deleted, unread, sent, first_at, last_at}, oldest first; years in UTC.

        Raises:
            DatabaseUnreachable.
        """
        return self._rows("overview")

    def timeline(self, bucket: Bucket, zone: str) -> list[dict[str, Any]]:
        """{starts, messages, size_bytes, unread, sent}, oldest first, of each part of time that has mail.

        `starts` is the wall clock's time in the zone, without one; weeks begin on Monday.

        Raises:
            TooManyBuckets, UnknownTimeZone, DatabaseUnreachable.
        """
        found = self._local("buckets", zone, bucket=bucket, limit=MOST_BUCKETS + 1)
        if len(found) > MOST_BUCKETS:
            raise TooManyBuckets(bucket)
        return found

    def activity(self, zone: str) -> list[dict[str, Any]]:
        """{weekday, hour, messages, sent} of each hour of the week that has mail; Monday is 1, hours of the zone.

        Raises:
            UnknownTimeZone, DatabaseUnreachable.
        """
        return self._local("activity", zone)

    def labels(self) -> list[dict[str, Any]]:
        """{label_id, name, type, messages, unread, size_bytes} of the mailbox's labels and of those that mail carries.

        Mail that Gmail has no longer carries none.

        Raises:
            DatabaseUnreachable.
        """
        return self._rows("label_counts")

    def largest(self, limit: int) -> list[dict[str, Any]]:
        """{message_id, received_at, size_bytes, segment}, largest first.

        Raises:
            DatabaseUnreachable.
        """
        return self._rows("largest", limit=limit)

    def copies(self) -> dict[str, int]:
        """{messages, size_bytes}: how many messages are the same bytes as another one, and what they take.

        Of three equal ones two are copies.

        Raises:
            DatabaseUnreachable.
        """
        return self._rows("copies")[0]

    def threads(self, limit: int) -> list[dict[str, Any]]:
        """{thread_id, messages, sent, size_bytes, first_at, last_at, message_id, received_at, segment}, longest first.

        The last three are of its first message.

        Raises:
            DatabaseUnreachable.
        """
        return self._rows("threads_longest", limit=limit)

    def responses(self) -> list[dict[str, Any]]:
        """{mine, responses, median_s, p90_s}: how long answers took, mine and theirs.

        An answer is a message of a thread whose predecessor in it is the other side's; drafts are none. Mine is what
        carries SENT. Percentiles are interpolated.

        Raises:
            DatabaseUnreachable.
        """
        return self._rows("responses")

    def ids(self, unread: bool = False) -> list[int]:
        """Which messages are selected. unread: of these, those that carry UNREAD."""
        return [row["message_id"] for row in self._rows("selected_ids", unread=unread)]

    def _local(self, question: str, zone: str, **values: object) -> list[dict[str, Any]]:
        if zone not in available_timezones():
            raise UnknownTimeZone(zone)
        try:
            return self._rows(question, zone=zone, **values)
        except DataError as exc:  # the database has time zones of its own
            raise UnknownTimeZone(zone) from exc

    def _rows(self, question: str, **values: object) -> list[dict[str, Any]]:
        return patiently(lambda: self._asked(question, values))

    def _asked(self, question: str, values: dict[str, object]) -> list[dict[str, Any]]:
        chosen = self._chosen
        statement = text(moments.of(question, chosen.as_of).replace("{chosen}", chosen.condition))
        bound = {
            "user_id": self._user_id,
            "first_at": chosen.first_at,
            "last_at": chosen.last_at,
            **chosen.values,
            **moments.values(chosen.as_of),
            **values,
        }
        with transaction(self._engine) as connection:
            return [dict(row._mapping) for row in connection.execute(statement, bound)]

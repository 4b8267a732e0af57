"""Whether the project will pass the daily number of quota units from which Google bills it. Blocking.

Google counts days in Pacific time. The first process that computes a forecast on a day stores the day's initial count
in the control database; the running cluster does so every minute.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.gmail.config import PACIFIC, GmailConfig
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query


@dataclass(frozen=True, slots=True)
class Forecast:
    """Units of one day. threshold: None if Google does not bill."""

    day: str
    spent: int
    per_minute: float
    by_midnight: int
    threshold: int | None

    @property
    def passes(self) -> bool:
        """Whether the threshold will be exceeded at this pace."""
        return self.threshold is not None and self.by_midnight > self.threshold


def forecast(databases: Databases, gmail: GmailConfig, now: datetime) -> Forecast:
    """Today's units, and their number at midnight at today's pace. `now`: aware."""
    units = 0
    for index in range(databases.shard_databases):
        with transaction(databases.shard_database(index)) as connection:
            units += connection.execute(query("units_spent")).scalar_one()
    local = now.astimezone(PACIFIC)
    with transaction(databases.control) as connection:
        began = connection.execute(query("quota_day"), {"day": local.date(), "units": units}).one()
    spent = max(units - began.units, 0)
    return project(local, began.seen_at, spent, gmail.quota.units_per_day_per_project)


def project(now: datetime, since: datetime, spent: int, threshold: int | None) -> Forecast:
    """A day's forecast.

    Args:
        now: in Pacific time.
        since: when counting began; the pace is reckoned from then on, over a minute at least.
        spent: units since then.
    """
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), PACIFIC)
    # In UTC: within one zone Python subtracts what the clocks show, and some days have 23 or 25 hours.
    present = now.astimezone(UTC)
    minutes = max((present - since.astimezone(UTC)).total_seconds() / 60, 1.0)
    left = (midnight.astimezone(UTC) - present).total_seconds() / 60
    per_minute = spent / minutes
    return Forecast(now.date().isoformat(), spent, round(per_minute, 1), round(spent + per_minute * left), threshold)

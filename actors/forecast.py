"""Whether the project will pass the daily number of quota units from which Google bills it. Blocking.

Google counts days in Pacific time. The first process that computes a forecast on a day stores the day's initial count
in the control database; the running cluster does so every minute.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.gmail.config import PACIFIC, GmailConfig
from storage.control.quota_ledger import QuotaLedger
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query


@dataclass(frozen=True, slots=True)
class Forecast:
    """Units of one day. threshold: None where Google bills nothing.

    paced: units beyond the threshold wait for the next day; reserved: what the broker has reserved of them so far.
    """

    day: str
    spent: int
    per_minute: float
    by_midnight: int
    threshold: int | None
    paced: bool = False
    reserved: int = 0

    @property
    def free_left(self) -> int | None:
        """Free units left of the day."""
        return None if self.threshold is None else max(self.threshold - max(self.spent, self.reserved), 0)

    @property
    def billed_by_midnight(self) -> int:
        """Units of the day that Google will bill at this pace."""
        return 0 if self.threshold is None or self.paced else max(self.by_midnight - self.threshold, 0)

    def as_json(self) -> dict[str, Any]:
        """The values that every display shows."""
        return {
            **asdict(self),
            "passes_threshold": self.passes,
            "free_left": self.free_left,
            "billed_by_midnight": self.billed_by_midnight,
        }

    @property
    def passes(self) -> bool:
        """Whether this pace passes the threshold."""
        return self.threshold is not None and self.by_midnight > self.threshold


def forecast(databases: Databases, gmail: GmailConfig, now: datetime) -> Forecast:
    """Today's units, and their projected number at midnight. `now`: with a time zone."""
    units = 0
    for index in range(databases.shard_databases):
        with transaction(databases.shard_database(index)) as connection:
            units += connection.execute(query("units_spent")).scalar_one()
    local = now.astimezone(PACIFIC)
    with transaction(databases.control) as connection:
        began = connection.execute(query("quota_day"), {"day": local.date(), "units": units}).one()
    spent = max(units - began.units, 0)
    found = project(local, began.seen_at, spent, gmail.quota.units_per_day_per_project)
    if gmail.free_units is None:
        return found
    return replace(found, paced=True, reserved=QuotaLedger(databases.control).reserved(local.date()))


def project(now: datetime, since: datetime, spent: int, threshold: int | None) -> Forecast:
    """A day's forecast.

    Args:
        now: in Pacific time.
        since: the start of counting; the pace is the mean since then, over at least a minute.
        spent: units since then.
    """
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), PACIFIC)
    # In UTC, because Python subtracts wall-clock times within one zone, and some days have 23 or 25 hours.
    present = now.astimezone(UTC)
    minutes = max((present - since.astimezone(UTC)).total_seconds() / 60, 1.0)
    left = (midnight.astimezone(UTC) - present).total_seconds() / 60
    per_minute = spent / minutes
    return Forecast(now.date().isoformat(), spent, round(per_minute, 1), round(spent + per_minute * left), threshold)

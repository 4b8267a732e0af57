"""The range of times that Postgres, Parquet, DuckDB and Python's datetime all support.

One day is left free at each end, because a time zone conversion moves a time by up to a day.
"""

from datetime import UTC, datetime

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def clamp(moment: datetime) -> datetime:
    """The nearest time between EARLIEST and LATEST."""
    return min(max(moment, EARLIEST), LATEST)

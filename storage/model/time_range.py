"""The range of times that every part can compute with: Postgres, Parquet, DuckDB and Python's datetime.

A day at each end stays free, because conversions between time zones move a time by up to a day.
"""

from datetime import UTC, datetime

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, tzinfo=UTC)


def clamp(moment: datetime) -> datetime:
    """The moment, or the nearest one from EARLIEST to LATEST."""
    return min(max(moment, EARLIEST), LATEST)

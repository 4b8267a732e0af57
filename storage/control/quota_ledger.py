"""The quota units of each day that brokers have reserved, in the control database. Blocking."""

from datetime import date

from storage.db.engines import Source, transaction
from storage.db.sql_files import query
from storage.events.control_types import QuotaExhausted
from storage.events.publishing import CONTROL, publish


class QuotaLedger:
    """Counts the units of the project's days. A reservation outlives the process that made it."""

    def __init__(self, engine: Source) -> None:
        """`engine`: of the control database."""
        self._engine = engine

    def reserve(self, day: date, units: int, most: int) -> tuple[int, int]:
        """Reserve units of a day, or none when the day would have more than `most`.

        Args:
            day: Pacific time, by which Google counts.

        Returns:
            The units of the day that are reserved by now, and those of this reservation.

        Raises:
            DatabaseUnreachable: units may be reserved that nobody spends.
        """
        values = {"day": day, "units": units, "most": most}
        with transaction(self._engine) as connection:
            connection.execute(query("quota_reserve_day"), {"day": day})
            got = connection.execute(query("quota_reserve"), values).first() is not None
            if not got and connection.execute(query("quota_exhausted"), {"day": day}).first() is not None:
                publish(connection, CONTROL, [(None, QuotaExhausted(day=day.isoformat(), units=most))])
            total = connection.execute(query("quota_reserved"), {"day": day}).scalar_one()
        return int(total), units if got else 0

    def reserved(self, day: date) -> int:
        """Units of a day that are reserved."""
        with transaction(self._engine) as connection:
            return int(connection.execute(query("quota_reserved"), {"day": day}).scalar() or 0)

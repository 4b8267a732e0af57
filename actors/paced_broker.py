"""The project's broker, with the day's free units in the control database. No Ray: actors/remote/quota.py hosts it."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import date
from typing import Protocol

from actors.broker import QuotaBroker
from actors.budget import Demand, Grant
from actors.daily_allowance import DailyAllowance
from jobs.gmail.config import GmailConfig
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)


class Ledger(Protocol):
    """Counts each day's reserved units, as `storage.control.quota_ledger.QuotaLedger` does. Blocking."""

    def reserve(self, day: date, units: int, most: int) -> tuple[int, int]: ...


class PacedBroker:
    """Leases the project's units; never more than a day's free units unless paid units are allowed."""

    def __init__(
        self, config: GmailConfig, ledger: Callable[[], Ledger], clock: Callable[[], float] = time.time
    ) -> None:
        """`ledger`: opens the ledger if units are counted by the day. `clock`: seconds since 1970."""
        self._daily = None if config.free_units is None else DailyAllowance(config.free_units)
        self._broker = QuotaBroker(config, clock(), self._daily)
        self._ledger, self._clock = None if self._daily is None else ledger(), clock
        self._reserving = asyncio.Lock()

    async def lease(self, shard_id: int, demand: Demand) -> Grant:
        """The granted units, or until when the day's free units are spent."""
        if self._daily is not None:
            async with self._reserving:
                await self._reserve(self._daily, demand)
        now = self._clock()
        units = self._broker.lease(shard_id, demand, now)
        daily = self._daily
        if units or daily is None or daily.allows(demand.needed, now):
            return Grant(units)
        detail = f"{daily.spent:,.0f} of the {daily.allowance:,} units that are free today are spent, as many as may be"
        return Grant(units, daily.when(demand.needed, now), detail)

    async def throttled(self, seconds: float) -> None:
        """Record that Gmail refused the whole project for this time."""
        self._broker.throttled(seconds, self._clock())

    async def _reserve(self, daily: DailyAllowance, demand: Demand) -> None:
        wanted = max(demand.needed, min(demand.wanted, self._broker.capacity))
        assert self._ledger is not None
        while (wish := daily.wish(self._clock(), wanted)) is not None:
            day, units = wish
            try:
                total, got = await asyncio.to_thread(self._ledger.reserve, day, units, daily.allowance)
            except BackupError as exc:
                _LOG.warning("The day's free units cannot be reserved: %s", exc)
                return
            daily.reserved(day, total, got)
            if not got and units:
                return

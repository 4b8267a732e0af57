"""Asks everything that the service depends on whether it answers, all at once.

Why something does not answer is not told: anybody may ask.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

Probe = Callable[[], Awaitable[object]]

#: The dependency that knows the others: when it is silent, nobody knows what else to ask.
CONTROL = "control_database"
#: Seconds that an answer is kept: nobody can wear the databases out by asking.
_KEPT_S = 1.0


class Probes:
    """Named probes. A probe that raises or takes too long has failed."""

    def __init__(
        self,
        find: Callable[[], Awaitable[Mapping[str, Probe]]],
        timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find` gives what to ask, by name; when it fails, the control database has failed."""
        self._find, self._timeout_s, self._clock = find, timeout_s, clock
        self._answers: dict[str, bool] = {}
        self._asked_at: float | None = None
        self._lock = asyncio.Lock()

    async def run(self) -> dict[str, bool]:
        """Whether each dependency answered, by name."""
        async with self._lock:
            if self._asked_at is None or self._clock() - self._asked_at >= _KEPT_S:
                self._answers = await self._ask_all()
                self._asked_at = self._clock()
            return self._answers

    async def _ask_all(self) -> dict[str, bool]:
        try:
            probes = await asyncio.wait_for(self._find(), self._timeout_s)
        except Exception:  # noqa: BLE001 - whatever it is, the dependency does not work
            return {CONTROL: False}
        answers = await asyncio.gather(*(self._ask(probe) for probe in probes.values()))
        return dict(zip(probes, answers, strict=True))

    async def _ask(self, probe: Probe) -> bool:
        try:
            await asyncio.wait_for(probe(), self._timeout_s)
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

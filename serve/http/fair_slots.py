"""A bounded number of places for work, shared fairly: callers take turns, and each caller's own work goes by arrival.

No caller holds more than a share of the places, or waits with more than so much at a time. What waits too long is
refused: to a caller who crowds as too many requests, to others as a service that is too busy. For one event loop.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from serve.http.errors import Overloaded, RateLimited

#: Who causes the work of the present request: a user, or the address of somebody unknown; None: the service itself.
#: Set by serve/auth/authorization.py; threads and tasks inherit it.
acting_caller: ContextVar[str | None] = ContextVar("acting_caller", default=None)
_RETRY_S = 1.0


@dataclass(slots=True)
class _Caller:
    """One caller's work: how much runs, what waits, when it was served."""

    running: int = 0
    served: int = 0  # the number of the place that it took last
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def is_idle(self) -> bool:
        return self.running == 0 and not self.waiting


class FairSlots:
    """The places."""

    def __init__(
        self,
        places: int,
        each: int,
        waiting_each: int = 0,
        wait_s: float | None = None,
        waiting: int | None = None,
        total_each: int | None = None,
    ) -> None:
        """All are free.

        Args:
            each: places that one caller may hold; the service itself (None) may hold all.
            waiting_each: requests of one caller that may wait; more are refused at once.
            wait_s: seconds that one may wait; None: as long as it takes.
            waiting: requests of all callers that may wait; None: any number.
            total_each: requests of one caller that may run or wait; None: `each` and `waiting_each`.
        """
        self._free, self._each, self._waiting_each, self._wait_s = places, each, waiting_each, wait_s
        self._waiting, self._total_each = waiting, each + waiting_each if total_each is None else total_each
        self._callers: dict[str | None, _Caller] = {}
        self._served = 0

    @asynccontextmanager
    async def place(self, caller: str | None) -> AsyncIterator[None]:
        """Hold a place for as long as the block lasts.

        Raises:
            RateLimited, Overloaded.
        """
        await self.acquire(caller)
        try:
            yield
        finally:
            self.release(caller)

    async def acquire(self, caller: str | None) -> None:
        """Take a place, when it is this caller's turn; to be given back with `release`.

        Raises:
            RateLimited, Overloaded.
        """
        mine = self._callers.setdefault(caller, _Caller())
        if self._free > 0 and not mine.waiting and self._may_run(caller, mine):
            self._take(mine)
            return
        if not self._may_wait(caller, mine):
            error = RateLimited(_RETRY_S) if self._crowds(mine) else Overloaded()
            self._forget(caller, mine)
            raise error
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine.waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException as exc:
            crowds = self._crowds(mine)
            if turn.done() and not turn.cancelled():
                self.release(caller)  # it came in the moment of giving up
            else:
                if turn in mine.waiting:
                    mine.waiting.remove(turn)
                self._forget(caller, mine)
            if isinstance(exc, TimeoutError):
                raise (RateLimited(_RETRY_S) if crowds else Overloaded()) from exc
            raise

    def release(self, caller: str | None) -> None:
        """Give a place back."""
        mine = self._callers[caller]
        mine.running -= 1
        self._free += 1
        self._forget(caller, mine)
        self._deal()

    def _deal(self) -> None:
        """Give free places to those whose turn it is: who was served longest ago."""
        while self._free > 0:
            waiting = [
                (mine.served, mine)
                for caller, mine in self._callers.items()
                if mine.waiting and self._may_run(caller, mine)
            ]
            if not waiting:
                return
            _, mine = min(waiting, key=lambda each: each[0])
            turn = mine.waiting.popleft()
            if not turn.done():  # else its task has been cancelled, and has not heard of it yet
                self._take(mine)
                turn.set_result(None)

    def _take(self, mine: _Caller) -> None:
        mine.running += 1
        self._free -= 1
        self._served += 1
        mine.served = self._served

    def _may_run(self, caller: str | None, mine: _Caller) -> bool:
        return caller is None or mine.running < self._each

    def _may_wait(self, caller: str | None, mine: _Caller) -> bool:
        if self._waiting is not None and sum(len(each.waiting) for each in self._callers.values()) >= self._waiting:
            return False
        if caller is None:
            return self._waiting_each > 0
        return len(mine.waiting) < self._waiting_each and mine.running + len(mine.waiting) < self._total_each

    def _crowds(self, mine: _Caller) -> bool:
        """Whether this caller's own work is what is in the way."""
        return mine.running >= self._each or (mine.running + len(mine.waiting) > 1 and mine.running > 0)

    def _forget(self, caller: str | None, mine: _Caller) -> None:
        if mine.is_idle:
            self._callers.pop(caller, None)


def share(places: int, least: int = 1, part: float = 0.5) -> int:
    """The places that one caller may hold of so many."""
    return max(math.ceil(places * part), least)

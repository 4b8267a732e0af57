"""A bounded number of slots, shared fairly: callers take turns; the requests of one caller run in order of arrival.

A caller has a maximum number of slots and of waiting requests. A request that waits too long is refused: with
RateLimited if its caller's other requests are the cause, else with Overloaded. For use in one event loop.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from serve.http.errors import Overloaded, RateLimited

#: Caller of the current request: a user, or the address of an unauthenticated client; None: the service itself.
#: Set by serve/auth/authorization.py; threads and tasks inherit it.
acting_caller: ContextVar[str | None] = ContextVar("acting_caller", default=None)
_RETRY_S = 1.0


@dataclass(slots=True)
class _Caller:
    """Running and waiting requests of one caller."""

    running: int = 0
    served: int = 0  # sequence number of the slot that it took last
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def is_idle(self) -> bool:
        return self.running == 0 and not self.waiting


class FairSlots:
    """Slots with limits per caller."""

    def __init__(
        self,
        places: int,
        per_caller: int,
        waiting_per_caller: int = 0,
        wait_s: float | None = None,
        waiting: int | None = None,
        total_per_caller: int | None = None,
    ) -> None:
        """All slots are free.

        Args:
            places: number of slots.
            per_caller: slots that one caller may hold; the service itself (None) may hold all.
            waiting_per_caller: requests of one caller that may wait; further ones are refused at once.
            wait_s: seconds that a request may wait; None: no limit.
            waiting: requests of all callers that may wait; None: no limit.
            total_per_caller: requests of one caller that may run or wait; None: the sum of both limits.
        """
        self._free, self._per_caller, self._wait_s = places, per_caller, wait_s
        self._waiting_per_caller, self._waiting = waiting_per_caller, waiting
        self._total_per_caller = per_caller + waiting_per_caller if total_per_caller is None else total_per_caller
        self._callers: dict[str | None, _Caller] = {}
        self._served = 0

    @asynccontextmanager
    async def place(self, caller: str | None) -> AsyncIterator[None]:
        """Hold a slot for the duration of the block.

        Raises:
            RateLimited, Overloaded.
        """
        await self.acquire(caller)
        try:
            yield
        finally:
            self.release(caller)

    async def acquire(self, caller: str | None) -> None:
        """Wait for this caller's turn and take a slot; give it back with `release`.

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
                self.release(caller)  # the slot was granted while the request timed out
            else:
                if turn in mine.waiting:
                    mine.waiting.remove(turn)
                self._forget(caller, mine)
            if isinstance(exc, TimeoutError):
                raise (RateLimited(_RETRY_S) if crowds else Overloaded()) from exc
            raise

    def release(self, caller: str | None) -> None:
        """Give a slot back."""
        mine = self._callers[caller]
        mine.running -= 1
        self._free += 1
        self._forget(caller, mine)
        self._deal()

    def _deal(self) -> None:
        """Grant free slots, first to the caller that was served longest ago."""
        while self._free > 0:
            waiting = [
                (mine.served, mine)
                for caller, mine in self._callers.items()
                if mine.waiting and self._may_run(caller, mine)
            ]
            if not waiting:
                return
            _, mine = min(waiting, key=lambda candidate: candidate[0])
            turn = mine.waiting.popleft()
            if not turn.done():  # else its task was cancelled
                self._take(mine)
                turn.set_result(None)

    def _take(self, mine: _Caller) -> None:
        mine.running += 1
        self._free -= 1
        self._served += 1
        mine.served = self._served

    def _may_run(self, caller: str | None, mine: _Caller) -> bool:
        return caller is None or mine.running < self._per_caller

    def _may_wait(self, caller: str | None, mine: _Caller) -> bool:
        if self._waiting is not None and sum(len(each.waiting) for each in self._callers.values()) >= self._waiting:
            return False
        if caller is None:
            return self._waiting_per_caller > 0
        return (
            len(mine.waiting) < self._waiting_per_caller and mine.running + len(mine.waiting) < self._total_per_caller
        )

    def _crowds(self, mine: _Caller) -> bool:
        """Whether this caller's own requests are what keeps the request waiting."""
        return mine.running >= self._per_caller or (
            mine.running > 0 and mine.running + len(mine.waiting) > self._per_caller
        )

    def _forget(self, caller: str | None, mine: _Caller) -> None:
        if mine.is_idle:
            self._callers.pop(caller, None)


def share(places: int, least: int = 1, part: float = 0.5) -> int:
    """Number of slots that one caller may hold: `part` of all, but at least `least`."""
    return max(math.ceil(places * part), least)

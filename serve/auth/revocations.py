"""Access tokens that are worth nothing before they expire: signed out, of a revoked key or grant, of a removed user.

The list is short, because tokens are short-lived; a replica reads it every few seconds, not at every request. A list
older than that is not used: the request waits until it is read again. Only while the control database is away the last
list counts, for a bounded time (`grace_s`), after which nobody is let in; `grace` says how much of it is left. So that
all of it is left when the database goes away, a list is read now and then while nobody asks for one (`keep`).
Meanwhile a replica of the control database adds the revocations that it has. A process that has a list from neither
accepts no token: nobody can tell what was revoked.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from serve.http.executor import BlockingExecutor
from storage.control.grants import Revocation
from storage.db.engines import DatabaseUnreachable

_LOG = logging.getLogger(__name__)


#: Of the grace, the age at which a list is read again although nobody asks for one.
_KEPT_PART = 0.05


@dataclass(frozen=True, slots=True)
class Grace:
    """For how long access tokens are accepted while revocations cannot be read. age_s: of the list in use."""

    age_s: float
    left_s: float


class RevocationStore(Protocol):
    """Knows what was revoked. `storage.control.grants.Grants` does."""

    def revocations(self, horizon_s: float) -> list[Revocation]: ...


class Revocations:
    """What was revoked lately."""

    def __init__(
        self,
        store: RevocationStore,
        threads: BlockingExecutor,
        horizon_s: float,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = 900.0,
        replica: RevocationStore | None = None,
    ) -> None:
        """Reads nothing yet.

        Args:
            horizon_s: how long an access token lives at most.
            every_s: age at which a list is read again before it is used.
            grace_s: age to which a list is used while the database is away.
            replica: reads a replica of the database while the database is away; None: there is none.
        """
        self._store, self._threads, self._horizon_s, self._every_s = store, threads, horizon_s, every_s
        self._clock, self._grace_s, self._replica = clock, grace_s, replica
        self._failure: DatabaseUnreachable | None = None
        self._until: dict[tuple[str, str], float] | None = None  # None: no list was ever read
        self._read_at = clock()  # of a process that never read one, the grace counts from its start
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def stale_s(self) -> float:
        """Seconds since the list in use was read."""
        return self._clock() - self._read_at

    def grace(self) -> Grace:
        """What counts while the control database is away: nothing without a list."""
        return Grace(self.stale_s, max(self._grace_s - self.stale_s, 0.0) if self._until is not None else 0.0)

    def keep(self) -> None:
        """Begin to read the list again if nobody has asked for it for long. Waits for nothing."""
        tried_s = None if self._tried_at is None else self._clock() - self._tried_at
        if tried_s is None or tried_s >= max(self._grace_s * _KEPT_PART, self._every_s):
            self._begin()

    def _begin(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = self._threads.begin(self._read())
        return self._reading

    async def revoked(self, claims: dict[str, Any]) -> bool:
        """Whether a verified token was revoked, by a list that is no older than its bound. Waits for it.

        Raises:
            DatabaseUnreachable: the control database has been away for longer than the grace, or since before this
                process started, and no replica of it has answered.
        """
        while self._tried_at is None or self._clock() - self._tried_at >= self._every_s:
            reading = self._begin()
            if self._failure is not None:
                break  # the grace: nobody waits for a database that is known to be away
            await asyncio.shield(reading)
        if self._failure is not None and (self._until is None or self.stale_s > self._grace_s):
            raise self._failure
        assert self._until is not None, "a reading ends with a list or with a failure"
        until, issued = self._until, claims["iat"]
        named = (
            ("user", claims["sub"]),
            ("user", claims.get("act", {}).get("id")),
            ("key", claims.get("key")),
            ("grant", claims.get("grant")),
            ("session", claims.get("sid")),
        )
        return any(name is not None and issued < until.get((kind, name), 0.0) for kind, name in named)

    async def _read(self) -> None:
        began = self._clock()
        try:
            found = await self._threads.run(self._store.revocations, self._horizon_s)
        except DatabaseUnreachable as exc:
            if self._failure is None:
                _LOG.warning("Revocations cannot be read; a list counts for %d s more: %s", self.grace().left_s, exc)
            await self._read_replica()
            self._failure = exc
            began = self._clock()  # the attempt may have taken long; the next one is due after it
        else:
            if self._failure is not None:
                _LOG.warning("Revocations are read again, after %d s", self.stale_s)
            self._until = _by_name(found)
            self._read_at, self._failure = began, None
        self._tried_at = began

    async def _read_replica(self) -> None:
        """Add what a replica knows. Its age is unknown, so the grace does not begin again."""
        if self._replica is None:
            return
        try:
            found = await self._threads.run(self._replica.revocations, self._horizon_s)
        except DatabaseUnreachable as exc:
            if self._until is None:
                _LOG.warning("No token is accepted, because no list of revocations can be read: %s", exc)
            return
        if self._until is None:
            _LOG.warning("Revocations are read from a replica, and count for %d s", self._grace_s)
        known = self._until or {}
        self._until = known | {name: max(until, known.get(name, 0.0)) for name, until in _by_name(found).items()}


def _by_name(found: list[Revocation]) -> dict[tuple[str, str], float]:
    return {(each.kind, each.name): each.until for each in found}

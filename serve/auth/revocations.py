"""Access tokens that are worth nothing before they expire: signed out, of a revoked key or grant, of a removed user.

The list is short, because tokens are short-lived; a replica reads it every few seconds, not at every request. While the
control database is away the last list counts: who was let in goes on reading until the token expires.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from serve.http.executor import BlockingExecutor
from storage.control.grants import Revocation
from storage.db.engines import DatabaseUnreachable

_LOG = logging.getLogger(__name__)


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
    ) -> None:
        """`horizon_s`: how long an access token lives at most."""
        self._store, self._threads, self._horizon_s, self._every_s = store, threads, horizon_s, every_s
        self._clock = clock
        self._until: dict[tuple[str, str], float] = {}
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def revoked(self, claims: dict[str, Any]) -> bool:
        """Whether a verified token was revoked. Waits for the list once, when there is none yet."""
        if self._read_at is None or self._clock() - self._read_at >= self._every_s:
            if self._reading is None or self._reading.done():
                self._reading = self._threads.begin(self._read())
            if self._read_at is None:
                await asyncio.shield(self._reading)
        issued = claims["iat"]
        named = (("user", claims["sub"]), ("key", claims.get("key")), ("grant", claims.get("grant")))
        return any(name is not None and issued < self._until.get((kind, name), 0.0) for kind, name in named)

    async def _read(self) -> None:
        began = self._clock()
        try:
            found = await self._threads.run(self._store.revocations, self._horizon_s)
            self._until = {(each.kind, each.name): each.until for each in found}
        except DatabaseUnreachable as exc:
            _LOG.warning("What was revoked lately cannot be read: %s", exc)
        self._read_at = began

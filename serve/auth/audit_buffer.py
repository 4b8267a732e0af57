"""Buffers audit entries that must neither delay a request nor fill the log: refused secrets, reads by a grant.

Counts entries by actor, action and user. The first entry of a kind is written at once, later ones as sums.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from serve.http.executor import BlockingExecutor
from storage.db.audit import Detail
from storage.db.engines import DatabaseUnreachable

_LOG = logging.getLogger(__name__)
#: Maximum number of kinds of entries that are summed separately; of the others, only the total is written.
_MOST = 1000
_LONGEST = 200

_Key = tuple[str, str, str, str]


class Log(Protocol):
    """The audit log. `storage.db.audit.Audit` is one."""

    def note(self, entries: Sequence[tuple[str, str, str, Detail]]) -> None: ...


class AuditBuffer:
    """Writes to the audit log with a delay."""

    def __init__(self, log: Log, threads: BlockingExecutor, every_s: float) -> None:
        self._log, self._threads, self._every_s = log, threads, every_s
        self._counts: Counter[_Key] = Counter()
        self._writing: asyncio.Task[None] | None = None

    def add(self, actor: str, action: str, subject: str, what: str) -> None:
        """Count one occurrence."""
        key = (actor[:_LONGEST], action, subject[:_LONGEST], what[:_LONGEST])
        if key not in self._counts and len(self._counts) >= _MOST:
            key = ("many", action, "many", "more than are told one by one")
        self._counts[key] += 1
        if self._writing is None or self._writing.done():
            self._writing = self._threads.begin(self._write())

    async def _write(self) -> None:
        while self._counts:
            counts, self._counts = self._counts, Counter()
            entries: list[tuple[str, str, str, Detail]] = [
                (actor, action, subject, {"what": what, "times": times})
                for (actor, action, subject, what), times in counts.items()
            ]
            try:
                await self._threads.run(self._log.note, entries)
            except DatabaseUnreachable as exc:
                _LOG.error("%d entries are missing from the audit log: %s", len(entries), exc)
            await asyncio.sleep(self._every_s)

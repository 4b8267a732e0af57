"""Announces a process that works on the archive, and restricts it to file formats that all such processes read."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable

from storage.control.nodes import Node, Nodes, ProgramOutdated
from storage.db.engines import DatabaseUnreachable, Source
from storage.files import file_format
from storage.version import VERSION

_LOG = logging.getLogger(__name__)
#: Intervals for which an announcement stays valid: new formats wait for a process that hangs for a shorter time.
_VALID_PAUSES = 4


class Announcer:
    """One process's announcement (storage/control/nodes.py)."""

    def __init__(self, engine: Source, kind: str, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Does not announce the process yet.

        Args:
            engine: of the control database.
            kind: of process: owner or gateway.
            every_s: seconds between two announcements.
        """
        self._nodes, self._node = Nodes(engine), Node(uuid.uuid4().hex, kind, VERSION, dict(file_format.NEWEST))
        self._every_s, self._clock = every_s, clock
        self._announced_at: float | None = None

    def announce(self) -> None:
        """Announce this process, and learn which formats to write. Blocking.

        Raises:
            ProgramOutdated, DatabaseUnreachable.
        """
        file_format.agree(self._nodes.announce(self._node, _VALID_PAUSES * self._every_s))
        self._announced_at = self._clock()

    def announce_if_due(self) -> None:
        """Announce this process if an announcement is due; log an error. Blocking."""
        if self._announced_at is not None and self._clock() - self._announced_at < self._every_s:
            return
        try:
            self.announce()
        except (ProgramOutdated, DatabaseUnreachable) as exc:
            self._announced_at = self._clock()
            _LOG.warning("This process is not announced: %s", exc)

    async def keep(self) -> None:
        """Announce this process periodically, after a first `announce`.

        Raises:
            ProgramOutdated: it hung for so long that the other processes write newer formats.
        """
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await asyncio.to_thread(self.announce)
            except DatabaseUnreachable as exc:
                _LOG.warning("This process could not announce itself again: %s", exc)

    def leave(self) -> None:
        """Withdraw the announcement, because this process ends. Blocking."""
        try:
            self._nodes.leave(self._node.node_id)
        except DatabaseUnreachable as exc:
            _LOG.warning("This process stays announced for a while: %s", exc)

"""Keeps a process announced as one that works on the archive, and lets it write what all that do so read."""

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
#: Pauses that an announcement stays valid: a process that hangs for less is waited for with new formats.
_VALID_PAUSES = 4


class Announcer:
    """One process's announcement (storage/control/nodes.py)."""

    def __init__(self, engine: Source, kind: str, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Tells nobody yet.

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
        """Announce this process when its time has come; what prevents it goes to the log. Blocking."""
        if self._announced_at is not None and self._clock() - self._announced_at < self._every_s:
            return
        try:
            self.announce()
        except (ProgramOutdated, DatabaseUnreachable) as exc:
            self._announced_at = self._clock()
            _LOG.warning("This process is not announced: %s", exc)

    async def keep(self) -> None:
        """Announce this process again and again. For who has announced it once.

        Raises:
            ProgramOutdated: it hung for so long that the others went on without it.
        """
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await asyncio.to_thread(self.announce)
            except DatabaseUnreachable as exc:
                _LOG.warning("This process could not announce itself again: %s", exc)

    def leave(self) -> None:
        """Take the announcement back: this process ends. Blocking."""
        try:
            self._nodes.leave(self._node.node_id)
        except DatabaseUnreachable as exc:
            _LOG.warning("This process stays announced for a while: %s", exc)

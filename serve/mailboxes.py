"""Finds the database of a principal's shard and opens their mail there, and nobody else's."""

import logging
import time
from collections.abc import Callable

from jobs.mime import reading
from serve.positions import sight
from storage.blobs import LocalBlobs
from storage.control import Control, Principal
from storage.databases import Databases, DatabaseUnreachable, Source
from storage.errors import BackupError
from storage.reader import MailboxReader
from storage.replicas import Replicas
from storage.splits.cache import SplitCache

_LOG = logging.getLogger(__name__)

#: Seconds that a shard is believed to stay in its database.
_BELIEVED_S = 10.0


class UnknownShard(BackupError):
    """No database has this shard. Ask the operator to check the shards."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(shard_id)
        self.shard_id = shard_id

    def __str__(self) -> str:
        return f"No database has shard {self.shard_id}: see `gbm shards list`."


class Mailboxes:
    """Makes readers. Blocking: call it from a thread."""

    def __init__(
        self,
        databases: Databases,
        control: Control,
        blobs: LocalBlobs,
        splits: SplitCache | None = None,
        clock: Callable[[], float] = time.monotonic,
        replicas: Replicas | None = None,
        primary_only: bool = False,
    ) -> None:
        """`splits`: None: this process's own, in a temporary folder.

        `replicas`: None: the primaries answer. primary_only: they do, and tell how far they were seen.
        """
        self._databases, self._control, self._blobs, self._clock = databases, control, blobs, clock
        self._splits, self._replicas, self._primary_only = splits, replicas, primary_only
        self._shards: dict[int, int] = {}
        self._read_at = -_BELIEVED_S

    def reader(self, principal: Principal) -> MailboxReader:
        """A reader of this principal's own mail.

        Raises:
            UnknownShard, DatabaseUnreachable.
        """
        if self._clock() - self._read_at >= _BELIEVED_S or principal.shard_id not in self._shards:
            self._look(principal.shard_id)
        database = self._shards.get(principal.shard_id)
        if database is None or database >= self._databases.shard_databases:
            raise UnknownShard(principal.shard_id)
        if self._replicas is None:
            return self._open(principal, self._databases.shard_database(database))
        return self._open(principal, self._replicas.source(database, sight(), self._primary_only))

    def _look(self, shard_id: int) -> None:
        """Where the shards are; what was known still serves while the control database is away."""
        try:
            self._shards = self._control.shards()
        except DatabaseUnreachable as exc:
            if shard_id not in self._shards:
                raise
            _LOG.warning("Shards are believed to be where they were: %s", exc)
        self._read_at = self._clock()

    def _open(self, principal: Principal, source: Source) -> MailboxReader:
        return MailboxReader(principal.user_id, source, self._blobs, self._splits, reading.body)

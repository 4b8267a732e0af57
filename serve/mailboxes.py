"""Finds the database of a principal's shard and opens their mail there, and nobody else's."""

import time
from collections.abc import Callable

from jobs.mime import reading
from storage.blobs import LocalBlobs
from storage.control import Control, Principal
from storage.databases import Databases
from storage.errors import BackupError
from storage.moving.move import BELIEVED_S
from storage.reader import MailboxReader
from storage.splits.cache import SplitCache

#: Seconds that a shard is believed to stay in its database: a move keeps the new place closed for longer.
_BELIEVED_S = BELIEVED_S


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
    ) -> None:
        """`splits`: None: this process's own, in a temporary folder."""
        self._databases, self._control, self._blobs, self._clock = databases, control, blobs, clock
        self._splits = splits
        self._map: tuple[dict[int, int], float] = ({}, -_BELIEVED_S)

    def reader(self, principal: Principal) -> MailboxReader:
        """A reader of this principal's own mail.

        Raises:
            UnknownShard, DatabaseUnreachable.
        """
        shards, read_at = self._map
        if (now := self._clock()) - read_at >= _BELIEVED_S or principal.shard_id not in shards:
            shards = self._control.shards()
            self._map = shards, now  # from before the question: the answer may have taken a while
        database = shards.get(principal.shard_id)
        if database is None or database >= self._databases.shard_databases:
            raise UnknownShard(principal.shard_id)
        engine = self._databases.shard_database(database)
        return MailboxReader(principal.user_id, engine, self._blobs, self._splits, reading.body)

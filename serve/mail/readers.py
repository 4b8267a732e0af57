"""Creates readers of a principal's own mail, on the database of the principal's shard."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import Engine

from jobs.mime import reading
from serve.http.session_token import read_session
from storage.control.principal import Principal
from storage.control.shard_map import ShardMap
from storage.db.engines import Databases, DatabaseUnreachable, Source, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.files.blobs import LocalBlobs
from storage.fulltext.cache import SplitCache
from storage.mailbox import corrections
from storage.model.judgement import Judgement
from storage.model.results import Body
from storage.reader import MailboxReader
from storage.replication.routing import Replicas
from storage.segments.frame_cache import Frames

_LOG = logging.getLogger(__name__)


class Shards(Protocol):
    """The shard map. Implemented by `storage.replication.control_fallback.Lookups` and `storage.control.Control`."""

    def shards(self) -> dict[int, int]: ...


class UnknownShard(BackupError):
    """No database has this shard. The operator must check the shards."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(shard_id)
        self.shard_id = shard_id

    def __str__(self) -> str:
        return f"No database has shard {self.shard_id}: see `gbm shards list`."


class Mailboxes:
    """Creates readers. Blocking: call it from a thread."""

    def __init__(
        self,
        databases: Databases,
        control: Shards,
        blobs: LocalBlobs,
        splits: SplitCache | None = None,
        clock: Callable[[], float] = time.monotonic,
        replicas: Replicas | None = None,
        primary_only: bool = False,
        body: Callable[[bytes], Body] = reading.body,
    ) -> None:
        """`splits`: None: this process's cache in a temporary folder.

        `replicas`: None: read the primaries. primary_only: read the primaries, and record their positions.
        body: parses a message.
        """
        self._databases, self._control, self._blobs = databases, control, blobs
        self._splits, self._replicas, self._primary_only = splits, replicas, primary_only
        self._body = body
        self._shards = ShardMap(self._look, clock)
        self._frames = Frames(blobs)

    def reader(self, principal: Principal) -> MailboxReader:
        """A reader of this principal's own mail.

        Raises:
            UnknownShard, DatabaseUnreachable.
        """
        database = self._shards.current(principal.shard_id).get(principal.shard_id)
        if database is None or database >= self._databases.shard_databases:
            raise UnknownShard(principal.shard_id)
        if self._replicas is None:
            return self._open(principal, self._databases.shard_database(database))
        return self._open(
            principal, self._replicas.source(database, read_session(), self._primary_only, principal.shard_id)
        )

    def judge(self, principal: Principal, message_id: int, judgement: Judgement) -> Judgement | None:
        """Record what this principal says of an own message (storage/mailbox/corrections.py); None: there is none.

        Raises:
            ShardMoving, UnknownShard, DatabaseUnreachable.
        """
        database = self._shards.current(principal.shard_id).get(principal.shard_id)
        if database is None or database >= self._databases.shard_databases:
            raise UnknownShard(principal.shard_id)
        engine = self._databases.shard_database(database)
        return corrections.judge(engine, principal.user_id, message_id, judgement)

    def known_shards(self) -> dict[int, int] | None:
        """Shard -> index of its database, if the map is fresh. Never blocks."""
        return self._shards.fresh()

    def databases_of(self, shard_ids: Sequence[int]) -> dict[int, int]:
        """Shard -> index of its database, without shards that no database has.

        Raises:
            DatabaseUnreachable.
        """
        places = {shard_id: self._shards.current(shard_id).get(shard_id) for shard_id in shard_ids}
        most = self._databases.shard_databases
        return {shard_id: place for shard_id, place in places.items() if place is not None and place < most}

    def is_direct(self, database: int) -> bool:
        """Whether a database is read without replicas."""
        return self._replicas is None or not self._replicas.has(database)

    def engine(self, database: int) -> Engine:
        """A shard database's primary."""
        return self._databases.shard_database(database)

    def _look(self, shard_id: int | None) -> dict[int, int]:
        """The shard map. While the control database is unreachable, the last map without shards that have moved."""
        try:
            return self._control.shards()
        except DatabaseUnreachable as exc:
            known = self._shards.known
            gone = {database: self._elsewhere(database) for database in set(known.values())}
            still = {shard: database for shard, database in known.items() if shard not in gone[database]}
            if shard_id is not None and shard_id not in still:
                raise
            _LOG.warning("The last known shard map is used: %s", exc)
            return still

    def _elsewhere(self, database: int) -> set[int]:
        """The shards that have left a database. Without its primary, no shard can leave it."""
        try:
            with transaction(self._databases.shard_database(database)) as connection:
                return set(connection.execute(query("leases_elsewhere")).scalars())
        except DatabaseUnreachable:
            return set()

    def _open(self, principal: Principal, source: Source) -> MailboxReader:
        return MailboxReader(principal.user_id, source, self._blobs, self._splits, self._body, self._frames)

"""Routes reads to replicas that are up to date for the reader, otherwise to the primary.

A `ReadSession` holds the positions that one caller must see and has seen. `Replicas.source` returns a `Source` for one
shard database. Before the query, on the same connection, a replica must prove that it is a standby of the same server
and timeline and has replayed the caller's position; a statement takes its snapshot when it begins, so the query sees
at least that. A replica that fails this costs one query. When a replica cancels a read, `ReplicaLost` is raised and the
source uses the primary from then on, so a retry (`storage.mailbox.segment_files.retry_on_missing_file`) succeeds there.

One thread per process checks all replicas; without replicas there is no thread and no extra query.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.db.engines import Databases, DatabaseUnreachable, Source, transaction
from storage.db.sql_files import query
from storage.replication.replica_health import Health, Observed, Rotation
from storage.replication.session_token import SessionToken, WalPosition

_LOG = logging.getLogger(__name__)
_BROKEN = (OperationalError, InternalError, PoolTimeout)
#: query_canceled: the statement timed out, which would happen on the primary as well.
_TOO_LONG = "57014"
#: Number of check intervals that a replica is not read after a failed read.
_REST_CHECKS = 3


class ReplicaLost(DatabaseUnreachable):
    """A replica cancelled a read. Retry: the primary answers."""

    def __str__(self) -> str:
        return f"The replica at {self.where} cancelled a read ({self.reason}): retry."


@dataclass(slots=True)
class ReadSession:
    """Positions that one caller must see and has seen. required: from the caller's token; None: no requirement."""

    required: SessionToken | None = None
    seen: SessionToken = field(default_factory=SessionToken)

    def __post_init__(self) -> None:
        self.seen = self.required or self.seen

    def saw(self, mark: WalPosition) -> None:
        """Record the position of a read."""
        self.seen = self.seen.and_(mark)

    def allows(self, observed: Observed, system: int | None) -> bool:
        """Whether a replica in this state has everything that the caller must see; False when in doubt.

        system: the primary's; None: the primary was never reached, and the rotation trusts its replicas.
        """
        if not observed.standby or system not in (None, observed.mark.system):
            return False
        must = self.seen.of_system(observed.mark.system)
        if must is None:  # a token without this server may be older than a move of the data to it
            return self.required is None
        return must.timeline == observed.mark.timeline and must.lsn <= observed.mark.lsn


class Replicas:
    """The replicas of all databases, for one process. The thread starts with the first read."""

    def __init__(self, databases: Databases) -> None:
        config = databases.config
        self._databases, self._check_s = databases, config.replica_check_s
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._groups: dict[int, _Group] = {}
        self._control: _Group | None = None
        if dsns := databases.control_replica_dsns():
            self._control = self._group("control_database", databases.control, dsns, trusting=True)
        for index in range(databases.shard_databases):
            if dsns := databases.replica_dsns(index):
                name = f"shard_database:{index}"
                self._groups[index] = self._group(name, databases.shard_database(index), dsns)

    def _group(self, name: str, primary: Engine, dsns: Sequence[str], trusting: bool = False) -> "_Group":
        config = self._databases.config
        names = [f"{name}/replica:{number}" for number in range(len(dsns))]
        rest_s = _REST_CHECKS * self._check_s
        rotation = Rotation(names, config.replica_lag_bytes, config.replica_lag_s, rest_s, trusting)
        return _Group(primary, [self._databases.replica_engine(dsn) for dsn in dsns], rotation)

    @property
    def _all(self) -> list["_Group"]:
        return [*([self._control] if self._control else []), *self._groups.values()]

    def control(self) -> Source | None:
        """Where the control database can be read while its primary is unreachable; None: nowhere.

        A process that never reached the primary trusts the configured standbys. This is safe: signing keys open only
        with their own sealing key, so the keys of a foreign database verify no token.
        """
        if self._control is None:
            return None
        if not self._control.checked:
            self._control.check()  # the first check of a process does not wait for the thread
        self._watch()
        return _Routed(self._control, ReadSession(), False, None)

    def source(self, index: int, sight: ReadSession, primary_only: bool = False, shard_id: int | None = None) -> Source:
        """A source of transactions on a shard database that satisfy `sight` and record their positions in it.

        shard_id: the shard to read: a lagging replica may not have a shard that has just moved here.
        """
        group = self._groups.get(index)
        if group is None:
            return self._databases.shard_database(index)
        self._watch()
        return _Routed(group, sight, primary_only, shard_id)

    def has(self, index: int) -> bool:
        """Whether a shard database has replicas."""
        return index in self._groups

    def control_is_away(self) -> bool:
        """Whether the control database has replicas and the last query of its primary failed."""
        return self._control is not None and self._control.primary_is_away

    def health(self) -> list[Health]:
        """The latest health of every replica."""
        if groups := self._all:
            self._watch()
        return [health for group in groups for health in group.health()]

    def check(self) -> None:
        """Check every primary and replica once. Called by the thread, and by tests."""
        for group in self._all:
            group.check()

    def close(self) -> None:
        """Stop the thread and close every connection. Idempotent."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for group in self._all:
            group.close()

    def _watch(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="replicas", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.check()
            except Exception:  # noqa: BLE001 - the next check may succeed
                _LOG.exception("The replicas could not be checked")
            self._stop.wait(self._check_s)


class _Group:
    """One database's primary and replicas."""

    def __init__(self, primary: Engine, engines: Sequence[Engine], rotation: Rotation) -> None:
        self.primary, self.engines = primary, engines
        self._rotation, self._lock = rotation, threading.Lock()
        self.checked = False
        self.primary_is_away = False

    def choose(self) -> tuple[int | None, int | None]:
        """The next replica to read, and the primary's system identifier."""
        with self._lock:
            return self._rotation.next(), self._rotation.system

    def health(self) -> list[Health]:
        with self._lock:
            return self._rotation.health()

    def failed(self, index: int, reason: str) -> None:
        with self._lock:
            before = self._rotation.health()[index]
            self._rotation.failed(index, reason, time.monotonic())
        if before.ready:
            _LOG.warning("Replica %s is not read: %s", before.name, reason)

    def check(self) -> None:
        self.checked = True
        before = self.health()
        try:
            with transaction(self.primary) as connection:
                observed = observe(connection)[1]
            with self._lock:
                self._rotation.primary(observed, time.monotonic())
            self.primary_is_away = False
        except DatabaseUnreachable as exc:
            self.primary_is_away = True
            _LOG.debug("A primary's position is unknown: %s", exc)  # its replicas are judged by earlier positions
        for index, engine in enumerate(self.engines):
            try:
                with transaction(engine) as connection:
                    observed = observe(connection)[1]
            except DatabaseUnreachable as exc:
                self.failed(index, f"unreachable ({exc.reason})")
                continue
            with self._lock:
                self._rotation.replica(index, observed, time.monotonic())
        for was, now in zip(before, self.health(), strict=True):
            if was.state != now.state:
                _LOG.log(logging.INFO if now.ready else logging.WARNING, "%s: %s", now.name, now.state)

    def close(self) -> None:
        for engine in self.engines:
            engine.dispose()


class _Routed:
    """A `Source` for one caller's reads: one replica while it works, then the primary."""

    def __init__(self, group: _Group, sight: ReadSession, primary_only: bool, shard_id: int | None) -> None:
        self._group, self._sight, self._shard_id = group, sight, shard_id
        self._index: int | None = None
        self._system: int | None = None
        if not primary_only:
            self._index, self._system = group.choose()

    @property
    def url(self) -> URL:
        return self._group.primary.url

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction.

        Raises:
            ReplicaLost: the replica cancelled the transaction; the next one begins on the primary.
        """
        connection = self._on_replica()
        if connection is None:
            with self._group.primary.begin() as connection:
                yield connection
                self._sight.saw(observe(connection)[0].mark)
            return
        try:
            with connection:
                yield connection
                self._sight.saw(observe(connection)[0].mark)
        except _BROKEN as exc:
            reason = _reason(exc)
            if getattr(getattr(exc, "orig", None), "sqlstate", None) == _TOO_LONG:
                raise
            index, self._index = self._index, None
            assert index is not None
            self._group.failed(index, f"cancelled a read ({reason})")
            raise ReplicaLost(self._group.health()[index].name, reason) from exc

    def _on_replica(self) -> Connection | None:
        """A connection to the verified replica; None: use the primary."""
        if self._index is None:
            return None
        connection: Connection | None = None
        try:
            connection = self._group.engines[self._index].connect()
            if self._sight.allows(observe(connection)[0], self._system) and self._has_shard(connection):
                return connection
        except _BROKEN as exc:
            self._group.failed(self._index, f"unreachable ({_reason(exc)})")
        self._index = None
        if connection is not None:
            connection.close()
        return None

    def _has_shard(self, connection: Connection) -> bool:
        if self._shard_id is None:
            return True
        return bool(connection.execute(query("lease_stands"), {"shard_id": self._shard_id}).scalar())


def observe(connection: Connection) -> tuple[Observed, Observed]:
    """The server's state: an upper bound of the positions seen so far, and the position that standbys can have."""
    row = connection.execute(query("server_position")).one()
    seen = WalPosition(row.system, row.timeline, row.lsn)
    return Observed(row.standby, seen), Observed(row.standby, WalPosition(row.system, row.timeline, row.written))


def _reason(exc: Exception) -> str:
    lines = str(getattr(exc, "orig", None) or exc).strip().splitlines()
    return lines[0][:200] if lines else "no answer"

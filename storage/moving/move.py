"""Moves a shard to another shard database while its owner and its readers continue to work.

1. *copying*: copies all rows of one snapshot, then the rows changed since, repeatedly until that takes no time. The map
   still names the source. After a kill, the move starts again; the owner is not affected.
2. *fenced*: the mover takes the lease in the source, so no owner can commit or return, copies the last changes, and
   verifies them. After a kill, the lease expires and the owner continues in the source; the move starts again.
3. *switched*: one control transaction makes the map name the target while the source's lease is locked. The target
   opens `BELIEVED_S` later, when every reader has read the map again: no reader sees an outdated copy. After a kill,
   repeating the call completes the move; without that, the target opens when its lease expires.
4. The source's rows are deleted `grace_s` after the switch (`clean`), when no reader can still use them.

At any time the map names exactly one database, and commits succeed only there: an owner reads the map again after it
took its lease (`ShardOwner.start`), so an owner that comes late to the source gives up before it writes.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from storage.catalog.leases import ARRIVING, MOVED, MOVING, Lease, LeaseHeld, LeaseLost
from storage.control.shard_map import BELIEVED_S
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.control_types import ShardMoved
from storage.events.publishing import CONTROL, publish
from storage.failpoints import FailPoint, hit
from storage.moving.copying import Copier, clear, reserve

#: Seconds after a switch until the source's rows may be deleted: longer than any query or export takes.
GRACE_S = 3600.0
#: Seconds until a dead mover's lease on the shard expires.
_LEASE_S = 60.0
_SETTLE_S = 0.5
_ROUNDS, _SHORT_S = 5, 1.0
_LOCK = 0x6D6F7665  # "move": with the shard, one mover at a time


class NoSuchPlace(BackupError):
    """The shard or database does not exist. List the shards."""

    def __init__(self, shard_id: int, database: int) -> None:
        super().__init__(shard_id, database)
        self.shard_id, self.database = shard_id, database

    def __str__(self) -> str:
        return f"There is no shard {self.shard_id}, or no database {self.database}: see `gbm shards list`."


class MoveUnfinished(BackupError):
    """Another move of this shard has not ended. Complete it, or wait."""

    def __init__(self, shard_id: int, database: int) -> None:
        super().__init__(shard_id, database)
        self.shard_id, self.database = shard_id, database

    def __str__(self) -> str:
        return (
            f"The move of shard {self.shard_id} to database {self.database} is in progress, or its former copy is kept "
            f"for readers: run `gbm shards move {self.shard_id} {self.database}` again, or wait an hour."
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """Result of a move. `paused_s`: from the fence until the target opened; rows: copied rows, repeats included."""

    shard_id: int
    source: int
    target: int
    rows: int
    paused_s: float


@dataclass(frozen=True, slots=True)
class _Record:
    source: int
    target: int
    state: str
    switched_at: datetime | None


Tell = Callable[[str, int], None]


class Mover:
    """Moves shards of one cluster. Blocking."""

    def __init__(self, databases: Databases, cluster: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """`sleep`: waits until readers' cached maps expire."""
        self._databases, self._cluster, self._sleep = databases, cluster, sleep

    def move(self, shard_id: int, database: int, tell: Tell | None = None) -> Moved:
        """Move a shard; a no-op when it is already there. Call it again to continue after a kill.

        Args:
            tell: receives the table and the number of rows copied.

        Raises:
            NoSuchPlace, MoveUnfinished, CopyDiffers, SchemasDiffer, LeaseHeld, LeaseLost, DatabaseUnreachable.
        """
        with self._alone(shard_id, database):
            here = self._place(shard_id)
            if here is None or not 0 <= database < self._databases.shard_databases:
                raise NoSuchPlace(shard_id, database)
            record = self._record(shard_id)
            if record is not None and record.state == "switched":
                if record.target != database:
                    self._clean(shard_id, record, GRACE_S)
                    if self._record(shard_id) is not None:
                        raise MoveUnfinished(shard_id, record.target)
                else:
                    return self._end(shard_id, record.source, database, 0, time.monotonic())
            if here == database:
                self._rollback(shard_id, record)
                return Moved(shard_id, here, database, 0, 0.0)
            return self._go(shard_id, here, database, record, tell or (lambda _table, _rows: None))

    def moves(self) -> list[dict[str, Any]]:
        """Moves in progress, and moves whose source copy still exists (sql/postgres/shard_moves.sql); ISO times."""
        with transaction(self._databases.control) as connection:
            moves = [dict(row._mapping) for row in connection.execute(query("shard_moves"))]
        times = ("started_at", "switched_at")
        return [{**move, **{name: move[name] and move[name].isoformat() for name in times}} for move in moves]

    def clean(self, grace_s: float = GRACE_S) -> list[int]:
        """Delete the source copies of shards switched at least `grace_s` ago; return the shards."""
        with transaction(self._databases.control) as connection:
            statement = text("SELECT shard_id, target FROM shard_moves WHERE state = 'switched'")
            moves = [(row.shard_id, row.target) for row in connection.execute(statement)]
        gone = []
        for shard_id, target in moves:
            try:
                with self._alone(shard_id, target):
                    record = self._record(shard_id)
                    if record is not None and record.state == "switched" and self._clean(shard_id, record, grace_s):
                        gone.append(shard_id)
            except MoveUnfinished:  # a move is running: the next call cleans up
                continue
        return gone

    def _go(self, shard_id: int, source: int, target: int, record: _Record | None, tell: Tell) -> Moved:
        self._rollback(shard_id, record)
        with transaction(self._databases.control) as connection:
            connection.execute(
                text("INSERT INTO shard_moves (shard_id, source, target) VALUES (:shard, :source, :target)"),
                {"shard": shard_id, "source": source, "target": target},
            )
        rows = 0

        def count(table: str, number: int) -> None:
            nonlocal rows
            rows += number
            tell(table, number)

        old, new = self._databases.shard_database(source), self._databases.shard_database(target)
        copier, since = self._copy(shard_id, old, new, count)
        hit(FailPoint.MOVE_COPIED)
        for _ in range(_ROUNDS):
            began = time.monotonic()
            since = self._catch_up(copier, old, new, since)
            if time.monotonic() - began < _SHORT_S:
                break
        hit(FailPoint.MOVE_CAUGHT_UP)
        fenced_at = time.monotonic()
        lease = self._fence(shard_id, old)
        try:
            hit(FailPoint.MOVE_FENCED)
            self._catch_up(copier, old, new, since, counted=True)
            hit(FailPoint.MOVE_PROVEN)
        except (BackupError, KeyboardInterrupt):
            self._unfence(old, lease)
            raise
        self._switch(lease, source, target)  # a failed switch may have taken effect: the lease expires by itself
        return self._end(shard_id, source, target, rows, fenced_at)

    def _copy(self, shard_id: int, old: Engine, new: Engine, tell: Tell) -> tuple[Copier, int]:
        with transaction(new) as target:
            clear(target, shard_id)
            with _snapshot(old) as source:  # only to read the range of its identities
                shifts, limits = reserve(source, target, shard_id)
        copier = Copier(shard_id, shifts, limits, tell)
        with _snapshot(old) as source, transaction(new) as target:
            _unlimited(target)
            self._bring(target, shard_id, 0)
            since = _xmin(source)
            copier.everything(source, target)
        return copier, since

    def _catch_up(self, copier: Copier, old: Engine, new: Engine, since: int, counted: bool = False) -> int:
        with _snapshot(old) as source, transaction(new) as target:
            _unlimited(target)
            until = _xmin(source)
            copier.changes(source, target, since)
            if counted:
                copier.counted(source, target)
        return until

    def _fence(self, shard_id: int, engine: Engine) -> Lease:
        owner = f"{MOVING}/{uuid.uuid4().hex}"
        values = {"shard_id": shard_id, "owner": owner, "cluster": self._cluster, "moving": MOVING, "ttl_s": _LEASE_S}
        with transaction(engine) as connection:
            epoch = connection.execute(query("lease_move"), values).scalar()
            if epoch is None:
                held = connection.execute(query("lease_holder"), {"shard_id": shard_id}).one()
                raise LeaseHeld(shard_id, held.cluster, held.seconds)
            # Mailboxes are opened without a lease: a running transaction has ended now, or will see the move.
            connection.execute(text("LOCK TABLE mailboxes, labels IN SHARE MODE"))
        return Lease(shard_id, owner, int(epoch))

    def _unfence(self, engine: Engine, lease: Lease) -> None:
        with transaction(engine) as connection:
            statement = text(
                "UPDATE leases SET expires_at = now(), cluster = :cluster"
                " WHERE shard_id = :shard_id AND owner = :owner AND cluster = :moving"
            )
            values = {"shard_id": lease.shard_id, "owner": lease.owner, "cluster": self._cluster, "moving": MOVING}
            connection.execute(statement, values)

    def _switch(self, lease: Lease, source: int, target: int) -> None:
        shard_id = lease.shard_id
        with transaction(self._databases.shard_database(source)) as old:
            values = {"shard_id": shard_id, "owner": lease.owner, "epoch": lease.epoch, "moved": MOVED}
            if old.execute(query("lease_leave"), values).rowcount != 1:  # locks the row until the map is switched
                raise LeaseLost(shard_id, lease.epoch)
            with transaction(self._databases.shard_database(target)) as new:
                self._bring(new, shard_id, lease.epoch)
            with transaction(self._databases.control) as control:
                places = {"shard": shard_id, "source": source, "target": target}
                control.execute(text("UPDATE shards SET database = :target WHERE shard_id = :shard"), places)
                control.execute(
                    text("UPDATE shard_moves SET state = 'switched', switched_at = now() WHERE shard_id = :shard"),
                    places,
                )
                moved = ShardMoved(shard=shard_id, source=source, target=target)
                publish(control, CONTROL, [(None, moved)])
            hit(FailPoint.MOVE_SWITCHED)
        hit(FailPoint.MOVE_LEFT)

    def _bring(self, target: Connection, shard_id: int, epoch: int) -> None:
        values = {"shard_id": shard_id, "owner": ARRIVING, "moving": ARRIVING, "epoch": epoch, "ttl_s": _LEASE_S}
        target.execute(query("lease_bring"), values)

    def _end(self, shard_id: int, source: int, target: int, rows: int, since: float) -> Moved:
        with transaction(self._databases.shard_database(source)) as old:  # repeated after a kill
            old.execute(
                text(
                    "UPDATE leases SET cluster = :moved, expires_at = now() + interval '1000 years'"
                    " WHERE shard_id = :shard"
                ),
                {"moved": MOVED, "shard": shard_id},
            )
        with transaction(self._databases.shard_database(target)) as new:
            if new.execute(query("lease_place"), {"shard_id": shard_id}).scalar() != ARRIVING:  # already completed
                return Moved(shard_id, target, target, 0, 0.0)
        self._sleep(BELIEVED_S + _SETTLE_S)
        with transaction(self._databases.shard_database(target)) as new:
            new.execute(
                text(
                    "UPDATE leases SET cluster = :cluster, expires_at = now()"
                    " WHERE shard_id = :shard AND cluster = :arriving"
                ),
                {"cluster": self._cluster, "shard": shard_id, "arriving": ARRIVING},
            )
        hit(FailPoint.MOVE_OPENED)
        return Moved(shard_id, source, target, rows, time.monotonic() - since)

    def _rollback(self, shard_id: int, record: _Record | None) -> None:
        """Undo a move that did not switch."""
        if record is None or record.state != "copying":
            return
        with transaction(self._databases.shard_database(record.source)) as old:
            old.execute(
                text(
                    "UPDATE leases SET cluster = :cluster, expires_at = now()"
                    " WHERE shard_id = :shard AND cluster = :was"
                ),
                {"cluster": self._cluster, "shard": shard_id, "was": MOVING},
            )
        self._forget(shard_id, record.target)

    def _clean(self, shard_id: int, record: _Record, grace_s: float) -> bool:
        assert record.switched_at is not None
        if (datetime.now(UTC) - record.switched_at).total_seconds() < grace_s:
            return False
        self._forget(shard_id, record.source)
        return True

    def _forget(self, shard_id: int, database: int) -> None:
        """Delete a shard's rows in a database that the map does not name, and the record of the move."""
        if self._place(shard_id) == database:
            raise MoveUnfinished(shard_id, database)
        with transaction(self._databases.shard_database(database)) as connection:
            _unlimited(connection)
            clear(connection, shard_id)
        hit(FailPoint.MOVE_CLEANED)
        with transaction(self._databases.control) as connection:
            connection.execute(text("DELETE FROM shard_moves WHERE shard_id = :shard"), {"shard": shard_id})

    def _place(self, shard_id: int) -> int | None:
        with transaction(self._databases.control) as connection:
            place: int | None = connection.execute(
                text("SELECT database FROM shards WHERE shard_id = :shard"), {"shard": shard_id}
            ).scalar()
            return place

    def _record(self, shard_id: int) -> _Record | None:
        with transaction(self._databases.control) as connection:
            row = connection.execute(
                text("SELECT source, target, state, switched_at FROM shard_moves WHERE shard_id = :shard"),
                {"shard": shard_id},
            ).first()
            return _Record(*row) if row else None

    @contextmanager
    def _alone(self, shard_id: int, database: int) -> Iterator[None]:
        """Exclude other movers of this shard; a dead mover's connection releases the lock."""
        with transaction(self._databases.control) as connection:
            keys = {"lock": _LOCK, "shard": shard_id}
            if not connection.execute(text("SELECT pg_try_advisory_xact_lock(:lock, :shard)"), keys).scalar():
                raise MoveUnfinished(shard_id, database)
            yield


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    with transaction(engine) as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        _unlimited(connection)
        yield connection


def _unlimited(connection: Connection) -> None:
    connection.execute(text("SET LOCAL statement_timeout = 0"))


def _xmin(connection: Connection) -> int:
    """Every transaction before this one had ended when the snapshot was taken."""
    return int(connection.execute(text(r"SELECT pg_snapshot_xmin(pg_current_snapshot())\:\:text")).scalar() or 0)

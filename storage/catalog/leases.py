"""Ownership of a shard: a lease with an epoch in the shard's database.

Every takeover raises the epoch, and a commit checks its epoch (`fence`), so an owner that lost its lease can never
commit. A new owner of the same cluster replaces the old one at once (the cluster runs one actor per shard by name; an
older actor is fenced); a lease of another cluster must expire first.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.events.control_types import OwnerReplaced
from storage.events.publishing import publish

#: Cluster names in the lease of a moving shard: in the source until the switch, in the source afterwards, and in the
#: target until the shard opens there.
MOVING, MOVED, ARRIVING = "gbm:moving", "gbm:moved", "gbm:arriving"
#: The cluster of the leases of shards whose rebuild or restore has not ended (lease_close.sql).
REBUILDING = "unfinished rebuild"


@dataclass(frozen=True, slots=True)
class Lease:
    """A shard's ownership. `owner` is unique to the actor process that holds it."""

    shard_id: int
    owner: str
    epoch: int


class LeaseLost(BackupError):
    """Another owner has this shard now. Stop; the new owner repeats uncommitted work."""

    def __init__(self, shard_id: int, epoch: int) -> None:
        super().__init__(shard_id, epoch)
        self.shard_id, self.epoch = shard_id, epoch

    def __str__(self) -> str:
        return f"Another owner took over shard {self.shard_id} from epoch {self.epoch}: stop working on it."


class LeaseHeld(BackupError):
    """Another cluster owns this shard. Wait for its lease to expire, or stop that cluster."""

    def __init__(self, shard_id: int, cluster: str, seconds: float) -> None:
        super().__init__(shard_id, cluster, seconds)
        self.shard_id, self.cluster, self.seconds = shard_id, cluster, seconds

    def __str__(self) -> str:
        return (
            f"Shard {self.shard_id} belongs to cluster {self.cluster!r} for another {self.seconds:.0f} s: "
            "stop that cluster, or wait."
        )


class ShardMoving(BackupError):
    """The shard is moving to another database, or has moved. Read the shard map again and retry."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(shard_id)
        self.shard_id = shard_id

    def __str__(self) -> str:
        return f"Shard {self.shard_id} is moving to another database: retry in a few seconds."


def acquire(engine: Engine, shard_id: int, owner: str, cluster: str, ttl_s: float) -> Lease:
    """Acquire the shard under a new epoch.

    Raises:
        LeaseHeld: another cluster's lease has not expired.
        ShardMoving: the shard is fenced for a move, or has left this database.
    """
    with transaction(engine) as connection:
        values = {"shard_id": shard_id, "owner": owner, "cluster": cluster, "ttl_s": ttl_s}
        epoch = connection.execute(query("lease_acquire"), values).scalar()
        if epoch is not None:
            publish(connection, shard_id, [(None, OwnerReplaced(shard=shard_id, epoch=int(epoch)))])
            return Lease(shard_id, owner, int(epoch))
        held = connection.execute(query("lease_holder"), {"shard_id": shard_id}).one()
        if held.cluster in (MOVING, MOVED, ARRIVING):
            raise ShardMoving(shard_id)
        raise LeaseHeld(shard_id, held.cluster, held.seconds)


def renew(engine: Engine, lease: Lease, ttl_s: float) -> None:
    """Extend the lease to `ttl_s` seconds from now.

    Raises:
        LeaseLost: another owner acquired the shard.
    """
    with transaction(engine) as connection:
        values = {"shard_id": lease.shard_id, "owner": lease.owner, "epoch": lease.epoch, "ttl_s": ttl_s}
        if connection.execute(query("lease_renew"), values).rowcount != 1:
            raise LeaseLost(lease.shard_id, lease.epoch)


def release(engine: Engine, lease: Lease) -> None:
    """Release the lease, so that any cluster can acquire the shard at once. A lost lease is not touched."""
    with transaction(engine) as connection:
        values = {"shard_id": lease.shard_id, "owner": lease.owner, "epoch": lease.epoch, "ttl_s": 0.0}
        connection.execute(query("lease_renew"), values)


def fence(connection: Connection, shard_id: int, owner: str, epoch: int) -> None:
    """Block every takeover until this transaction ends.

    Raises:
        LeaseLost: the epoch is over; the transaction must not commit.
    """
    values = {"shard_id": shard_id, "owner": owner, "epoch": epoch}
    if connection.execute(query("lease_fence"), values).first() is None:
        raise LeaseLost(shard_id, epoch)


def require_here(connection: Connection, shard_id: int) -> None:
    """Block the fence of a move until this transaction ends. For transactions that write without a lease.

    Raises:
        ShardMoving: the shard is fenced for a move, or has left this database.
    """
    cluster = connection.execute(query("lease_place"), {"shard_id": shard_id}).scalar()
    if cluster in (MOVING, MOVED, ARRIVING):
        raise ShardMoving(shard_id)

"""Restore, rebuild and roll-up of the databases for `gbm db`, while no cluster runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.home import Home
from cluster.settings import Settings
from cluster.stores import Stores, open_stores
from storage.catalog import leases
from storage.config import ArchiveConfig
from storage.control.sealing import context
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.recovery import dump
from storage.recovery.rebuild import Rebuilt, Tell, reconcile, require_empty, shards_of
from storage.recovery.rollup_writer import RolledUp, roll_up

_LEASE_S = 600.0


class ShardsOwned(BackupError):
    """A cluster owns shards of these databases. Stop it first."""

    def __init__(self, shards: int) -> None:
        super().__init__(shards)
        self.shards = shards

    def __str__(self) -> str:
        return f"A cluster owns {self.shards} shards of these databases: stop it, and try again."


def roll_up_here(stores: Stores, shards: list[int]) -> dict[int, RolledUp | None]:
    """Write roll-ups of shards without owners, each under a temporary lease.

    Raises:
        LeaseHeld: another cluster owns a shard.
    """
    done = {}
    for shard_id in shards:
        engine = stores.databases.shard_database(stores.shards[shard_id])
        lease = leases.acquire(engine, shard_id, f"{stores.config.cluster}/db", stores.config.cluster, _LEASE_S)
        try:
            done[shard_id] = roll_up(engine, stores.blobs, lease)
        finally:
            leases.release(engine, lease)
    return done


@contextmanager
def idle_stores(settings: Settings, tell: Callable[[str], None] | None = None) -> Iterator[Stores]:
    """Open the stores if no cluster runs on this home and no shard is owned.

    Raises:
        AlreadyRunning, ShardsOwned.
    """
    home = Home(settings.home)
    home.prepare()
    with home.exclusively(), open_stores(settings, tell) as stores:
        owned = 0
        for index in range(stores.databases.shard_databases):
            with transaction(stores.databases.shard_database(index)) as connection:
                owned += connection.execute(query("leases_live")).scalar_one()
        if owned:
            raise ShardsOwned(owned)
        yield stores


def rebuild(stores: Stores, addresses: Mapping[int, str], replace: bool, keep: bool, tell: Tell) -> Rebuilt:
    """Rebuild the databases from the archive's files alone.

    Raises:
        DatabasesFilled: they contain data; `replace` deletes it, `keep` adds only what is missing.
    """
    if replace:
        dump.clear(stores.databases)
        migrate.upgrade(stores.databases, stores.settings.shards.count)
    elif not keep:
        require_empty(stores.databases)
    return _reconcile(stores, addresses, tell)


def restore(
    stores: Stores, path: Path, replace: bool, tell_dump: dump.Tell, tell: Tell
) -> tuple[dict[str, Any], Rebuilt, bool]:
    """Restore a backup, then import newer segments. Also return whether the sealing key opens its secrets.

    Raises:
        DatabasesFilled, BackupUnusable.
    """
    if not replace:
        require_empty(stores.databases)
    document = dump.restore(stores.databases, path, tell_dump)
    return document, _reconcile(stores, {}, tell), _opens(stores)


def _reconcile(stores: Stores, addresses: Mapping[int, str], tell: Tell) -> Rebuilt:
    config: ArchiveConfig = stores.config.archive
    databases: Databases = stores.databases
    found = shards_of(stores.blobs)
    migrate.upgrade(databases, max([stores.settings.shards.count, *(shard_id + 1 for shard_id in found)]))
    return reconcile(databases, stores.control.shards(), stores.blobs, config, addresses, tell)


def _opens(stores: Stores) -> bool:
    """Whether the key decrypts a sealed credential; true if there are none."""
    for user in stores.control.users():
        sealed = stores.control.credentials(user.user_id)
        if sealed is not None:
            try:
                stores.sealer.open(sealed, context("credentials", user.user_id))
            except BackupError:
                return False
            return True
    return True

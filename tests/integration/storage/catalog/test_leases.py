"""Ownership of a shard: one owner at a time, and the late one always loses."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest
from sqlalchemy import Engine, text

from storage.catalog import leases
from storage.catalog.leases import LeaseHeld, LeaseLost
from storage.db.engines import transaction
from tests.integration.storage.factory import Mail, Shard

_SHARDS = count(100_000)


@pytest.fixture
def shard_id() -> int:
    """A shard that nobody ever owned."""
    return next(_SHARDS)


def test_a_takeover_in_the_same_cluster_raises_the_epoch_and_ends_the_old_lease(engine: Engine, shard_id: int) -> None:
    old = leases.acquire(engine, shard_id, "one", "here", 60)
    new = leases.acquire(engine, shard_id, "two", "here", 60)

    assert (old.epoch, new.epoch) == (1, 2)
    with pytest.raises(LeaseLost):
        leases.renew(engine, old, 60)
    leases.release(engine, old)
    leases.renew(engine, new, 60)


def test_another_cluster_waits_and_is_told_how_long(engine: Engine, shard_id: int) -> None:
    lease = leases.acquire(engine, shard_id, "one", "here", 60)

    with pytest.raises(LeaseHeld, match="cluster 'here'") as held:
        leases.acquire(engine, shard_id, "two", "there", 60)

    assert 50 < held.value.seconds <= 60
    leases.renew(engine, lease, 60)


@pytest.mark.parametrize("end", ["released", "expired"])
def test_another_cluster_takes_what_was_released_or_has_expired(engine: Engine, shard_id: int, end: str) -> None:
    old = leases.acquire(engine, shard_id, "one", "here", 60 if end == "released" else 0)
    if end == "released":
        leases.release(engine, old)

    assert leases.acquire(engine, shard_id, "two", "there", 60).epoch == 2
    with pytest.raises(LeaseLost):
        leases.renew(engine, old, 60)


def test_an_expired_lease_that_nobody_took_can_be_renewed(engine: Engine, shard_id: int) -> None:
    lease = leases.acquire(engine, shard_id, "one", "here", 0)
    leases.renew(engine, lease, 60)

    with pytest.raises(LeaseHeld):
        leases.acquire(engine, shard_id, "two", "there", 60)


def test_of_many_owners_at_once_each_gets_an_epoch_of_its_own(engine: Engine, shard_id: int) -> None:
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda name: leases.acquire(engine, shard_id, f"{name}", "here", 60), range(8)))

    assert sorted(lease.epoch for lease in taken) == list(range(1, 9))
    last = max(taken, key=lambda lease: lease.epoch)
    leases.renew(engine, last, 60)


def test_a_takeover_waits_for_the_commit_under_way(shard: Shard) -> None:
    engine, lease = shard.engine, shard.lease
    taken = threading.Event()

    def take() -> None:
        leases.acquire(engine, lease.shard_id, "next", "cluster", 60)
        taken.set()

    thread = threading.Thread(target=take)
    with transaction(engine) as connection:
        leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar()
        thread.start()
        _until_somebody_waits_for(engine, pid)
        assert not taken.is_set()
    thread.join(20)

    assert taken.is_set()
    with pytest.raises(LeaseLost), transaction(engine) as connection:
        leases.fence(connection, lease.shard_id, lease.owner, lease.epoch)


def test_an_owner_that_lost_its_lease_commits_nothing(shard: Shard, new_shard: Callable[[], Shard]) -> None:
    user = shard.user()
    manifest, index = shard.write((user, [Mail(1)]))
    leases.acquire(shard.engine, shard.shard_id, "next", "cluster", 60)

    with pytest.raises(LeaseLost):
        shard.catalog.commit(shard.plan([user], manifest), index)

    assert shard.reader(user).emails().items == ()
    assert new_shard().lease.epoch == 1


def _until_somebody_waits_for(engine: Engine, pid: int | None) -> None:
    dsn = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True, options="-c statement_timeout=20000") as connection:
        waiting = "SELECT count(*) FROM pg_locks AS l WHERE %s = ANY(pg_blocking_pids(l.pid))"
        while connection.execute(waiting, (pid,)).fetchone() == (0,):
            assert not connection.closed

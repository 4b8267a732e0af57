"""serve/auth/revocations.py"""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest

from serve.auth.revocations import Grace, Revocations
from serve.http.executor import BlockingExecutor
from storage.control.grants import Revocation
from storage.db.engines import DatabaseUnreachable
from tests.unit.serve.fakes import Clock

CLAIMS = {"iat": 100, "sub": "1", "key": "k1", "sid": "s1"}


class Store:
    """What was revoked; `away`: it cannot be read; `hold`: reading takes until it is set."""

    def __init__(self) -> None:
        self.rows: list[Revocation] = []
        self.away, self.reads = False, 0
        self.hold: threading.Event | None = None

    def revocations(self, horizon_s: float) -> Sequence[Revocation]:
        self.reads += 1
        if self.hold is not None:
            assert self.hold.wait(10)
        if self.away:
            raise DatabaseUnreachable("control", "away")
        return list(self.rows)


def _revocations(store: Store, clock: Clock, replica: Store | None = None) -> Revocations:
    return Revocations(store, BlockingExecutor(2), 900, 3.0, clock, 60.0, replica)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "name"), [("user", "1"), ("key", "k1"), ("session", "s1")])
async def test_a_list_that_is_too_old_is_not_used(kind: str, name: str) -> None:
    store, clock = Store(), Clock(1000.0)
    revocations = _revocations(store, clock)
    assert not await revocations.revoked(CLAIMS)

    store.rows = [Revocation(kind, name, 200.0)]
    clock.now += 2.9
    assert not await revocations.revoked(CLAIMS), "the list is read every three seconds"
    clock.now += 0.1
    assert await revocations.revoked(CLAIMS), "the first request after that waits for it"


async def test_requests_wait_for_one_reading_together() -> None:
    store, clock = Store(), Clock(1000.0)
    revocations = _revocations(store, clock)
    await revocations.revoked(CLAIMS)
    store.rows, store.hold = [Revocation("key", "k1", 200.0)], threading.Event()
    clock.now += 100

    waiting = [asyncio.create_task(revocations.revoked(CLAIMS)) for _ in range(20)]
    while store.reads < 2:
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    store.hold.set()

    assert await asyncio.gather(*waiting) == [True] * 20
    assert store.reads == 2


async def test_while_the_database_is_away_the_last_list_counts_for_a_bounded_time() -> None:
    store, clock = Store(), Clock(1000.0)
    revocations = _revocations(store, clock)
    store.rows = [Revocation("key", "k2", 200.0)]
    await revocations.revoked(CLAIMS)
    store.away = True
    for _ in range(19):
        clock.now += 3
        assert not await revocations.revoked(CLAIMS)
        assert await revocations.revoked(CLAIMS | {"key": "k2"})
    assert revocations.stale_s == 57.0

    clock.now += 4
    with pytest.raises(DatabaseUnreachable):
        await revocations.revoked(CLAIMS)

    store.away = False
    clock.now += 3
    while revocations.stale_s > 3:
        try:
            await revocations.revoked(CLAIMS)
        except DatabaseUnreachable:
            await asyncio.sleep(0)
    assert not await revocations.revoked(CLAIMS)


async def test_a_process_that_never_read_a_list_lets_nobody_in() -> None:
    store, clock = Store(), Clock(1000.0)
    store.away = True
    revocations = _revocations(store, clock)
    for _ in range(3):
        with pytest.raises(DatabaseUnreachable):
            await revocations.revoked(CLAIMS)
        assert revocations.grace().left_s == 0.0
        clock.now += 3

    store.away, store.rows = False, [Revocation("key", "k2", 200.0)]
    while revocations.stale_s > 3:
        with suppress(DatabaseUnreachable):  # requests do not wait for a database that was away
            await revocations.revoked(CLAIMS)
        await asyncio.sleep(0)
    assert not await revocations.revoked(CLAIMS)
    assert await revocations.revoked(CLAIMS | {"key": "k2"})


async def test_a_process_that_starts_while_the_database_is_away_judges_by_a_replica_for_a_bounded_time() -> None:
    store, replica, clock = Store(), Store(), Clock(1000.0)
    store.away, replica.rows = True, [Revocation("key", "k2", 200.0)]
    revocations = _revocations(store, clock, replica)
    for _ in range(20):
        assert not await revocations.revoked(CLAIMS)
        assert await revocations.revoked(CLAIMS | {"key": "k2"})
        clock.now += 3
    assert revocations.grace() == Grace(60.0, 0.0)

    clock.now += 1
    with pytest.raises(DatabaseUnreachable):
        await revocations.revoked(CLAIMS)


async def test_a_replica_adds_what_the_last_list_lacks_and_takes_nothing_from_it() -> None:
    store, replica, clock = Store(), Store(), Clock(1000.0)
    store.rows = [Revocation("key", "k2", 200.0)]
    replica.rows = [Revocation("key", "k3", 200.0), Revocation("key", "k2", 50.0)]
    revocations = _revocations(store, clock, replica)
    await revocations.revoked(CLAIMS)
    assert (await revocations.revoked(CLAIMS | {"key": "k3"}), replica.reads) == (False, 0)

    store.away = True
    clock.now += 3
    told = [await revocations.revoked(CLAIMS | {"key": key}) for key in ("k1", "k2", "k3")]

    assert told == [False, True, True]


async def test_the_list_is_kept_although_nobody_asks_so_that_the_grace_is_whole() -> None:
    store, clock = Store(), Clock(1000.0)
    revocations = _revocations(store, clock)
    for _ in range(100):
        revocations.keep()
        while revocations.stale_s > 3:
            await asyncio.sleep(0)
        clock.now += 1
    assert 20 <= store.reads <= 34

    store.away = True
    clock.now += 20
    reads = store.reads
    revocations.keep()
    while store.reads == reads:
        await asyncio.sleep(0)
    grace = revocations.grace()
    assert (grace.age_s + grace.left_s, grace.left_s > 35) == (60.0, True)
    clock.now += 100
    assert revocations.grace().left_s == 0.0

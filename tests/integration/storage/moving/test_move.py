"""A shard moves whole, whenever its mover is killed, and whatever its owner does meanwhile."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage.catalog import leases
from storage.catalog.catalog import Catalog
from storage.catalog.leases import LeaseLost, ShardMoving
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.failpoints import FailPoint, watching
from storage.mailbox.analysis_reader import Analyses
from storage.model.records import FailedItem
from storage.moving.move import _LOCK, Moved, Mover, MoveUnfinished, NoSuchPlace
from storage.moving.tables import IDENTITIES, NOT_MOVED, TABLES
from storage.recovery.rollup_writer import roll_up
from tests.integration.storage.factory import Mail, Shard, echo

POINTS = [point for point in FailPoint if point.startswith("move")]


@dataclass
class Place:
    """A shard with mail in database 0, and another shard's mail in both."""

    databases: Databases
    shard: Shard
    users: list[int]

    def at(self, database: int) -> Engine:
        return self.databases.shard_database(database)


def contents(engine: Engine, shard_id: int) -> dict[str, list[str]]:
    """All rows of a shard, with segments by name and without the numbers of events."""
    found = {}
    with transaction(engine) as connection:
        for table in TABLES:
            columns = "to_jsonb(t)"
            for column, other in table.shifted.items():
                if other in IDENTITIES:
                    name = f"(SELECT to_jsonb(s.name) FROM segments AS s WHERE s.segment_id = t.{column})"
                    named = name if other == "segments" else "to_jsonb(0)"
                    columns = f"jsonb_set({columns}, '{{{column}}}', coalesce({named}, 'null'))"
            asking = f"SELECT ({columns})::text FROM {table.name} AS t WHERE {table.rows(shard_id)}"
            rows = connection.execute(text(asking.replace(":", r"\:")))
            found[table.name] = sorted(rows.scalars())
    return found


@pytest.fixture
def place(new_stores: Callable[[], tuple[str, ...]], archive_root: Path) -> Iterator[Place]:
    """See Place."""
    control, *dsns = new_stores()
    shard_dsns = tuple(map(SecretStr, dsns))
    databases = Databases(PostgresConfig(control_dsn=SecretStr(control), shard_dsns=shard_dsns), "moves")
    migrate.upgrade(databases, shards=4)
    shard = _shard(databases, archive_root, 0, 0)
    users = [shard.user(), shard.user()]
    shard.store(users[0], Mail(1), Mail(2), analyse=echo)
    shard.store(users[1], Mail(3))
    shard.change(users[0], (1, "STARRED", True))
    shard.catalog.save_labels(users[0], [("L1", "Work", "user")])
    failed = [FailedItem(users[0], number, 1, "no", datetime(2030, 1, 1, tzinfo=UTC)) for number in (77, 78)]
    shard.catalog.commit(shard.plan([users[0]], failed=failed))
    shard.catalog.commit(shard.plan([users[0]], settled=[(users[0], 78)]))
    roll_up(shard.engine, shard.blobs, shard.lease)
    for database, number in ((0, 2), (1, 1)):
        other = _shard(databases, archive_root, database, number)
        other.store(other.user(), Mail(1))
    yield Place(databases, shard, users)
    databases.close()


def _shard(databases: Databases, root: Path, database: int, number: int) -> Shard:
    engine = databases.shard_database(database)
    return Shard(engine, root, leases.acquire(engine, number, "owner", "cluster", 60))


def moved(place: Place, database: int = 1) -> Moved:
    return Mover(place.databases, "cluster", lambda _: None).move(0, database)


def moved_once_free(place: Place) -> Moved:
    """The same after a mover was killed: its lock goes when the server notices that its connection is gone."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return moved(place)
        except MoveUnfinished:
            assert time.monotonic() < deadline, "a dead mover's lock stays"


def test_every_table_of_the_schema_is_moved_or_left_on_purpose(place: Place) -> None:
    with transaction(place.at(0)) as connection:
        statement = text(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
        tables = set(connection.execute(statement).scalars())

    assert tables == {table.name for table in TABLES} | NOT_MOVED


def test_a_shard_moves_whole_and_its_owner_goes_on_there(place: Place) -> None:
    before = contents(place.at(0), 0)
    others = contents(place.at(1), 1), contents(place.at(0), 2)

    done = moved(place)

    assert contents(place.at(1), 0) == before
    assert (contents(place.at(1), 1), contents(place.at(0), 2)) == others
    assert Control(place.databases.control).shards()[0] == 1
    said = Analyses(place.users[0], place.at(1), place.shard.blobs).of(2)
    assert said == {"echo": {"version": 1, "said": "Hello"}}
    assert done.rows > 0
    with pytest.raises(LeaseLost):
        place.shard.change(place.users[0], (2, "STARRED", True))
    with pytest.raises(ShardMoving):
        leases.acquire(place.at(0), 0, "late", "cluster", 60)
    with pytest.raises(ShardMoving):
        place.shard.user()
    lease = leases.acquire(place.at(1), 0, "next", "cluster", 60)
    assert lease.epoch > place.shard.lease.epoch
    there = Shard(place.at(1), place.shard.root, lease)
    there.store(place.users[0], Mail(9))
    assert len(there.reader(place.users[0]).emails().items) == 3
    assert there.reader(place.users[0]).raw(2) == Mail(2).raw


def test_a_former_copy_goes_after_its_grace_and_the_shard_may_move_back(place: Place) -> None:
    before = contents(place.at(0), 0)
    moved(place)
    mover = Mover(place.databases, "cluster", lambda _: None)
    with pytest.raises(MoveUnfinished, match="The move of shard 0 to database 1 "):
        moved(place, 0)
    assert mover.clean() == []
    with transaction(place.databases.control) as busy:  # somebody moves the shard just now
        busy.execute(text("SELECT pg_advisory_xact_lock(:lock, 0)"), {"lock": _LOCK})
        assert mover.clean(0.0) == []

    assert mover.clean(0.0) == [0]
    assert not any(contents(place.at(0), 0).values())
    assert contents(place.at(1), 0) == before
    first = leases.acquire(place.at(1), 0, "next", "cluster", 60)
    with_its_event = contents(place.at(1), 0)
    moved(place, 0)

    assert contents(place.at(0), 0) == with_its_event
    assert leases.acquire(place.at(0), 0, "owner", "cluster", 60).epoch > first.epoch


def test_what_an_owner_commits_during_the_copy_travels_too(place: Place) -> None:
    def work(point: FailPoint) -> None:
        number = {FailPoint.MOVE_COPIED: 100, FailPoint.MOVE_CAUGHT_UP: 200}.get(point)
        if number is None:
            return
        new = place.shard.user()
        place.users.append(new)
        place.shard.store(new, Mail(number))
        place.shard.store(place.users[0], Mail(number + 1))
        place.shard.change(place.users[0], (2, "STARRED", number == 100), history_id=number)
        place.shard.catalog.commit(place.shard.plan([place.users[0]], settled=[(place.users[0], 77)]))
        before.update(contents(place.at(0), 0))

    before: dict[str, list[str]] = {}
    with watching(work):
        moved(place)

    assert contents(place.at(1), 0) == before
    assert len(before["messages"]) == 7


def test_the_first_mail_of_an_empty_shard_travels_although_its_numbers_are_far(place: Place) -> None:
    with transaction(place.at(0)) as connection:
        connection.execute(text("SELECT setval('segments_segment_id_seq', 50000000)"))
    engine = place.at(0)
    empty = Shard(engine, place.shard.root, leases.acquire(engine, 3, "owner", "cluster", 60))

    def work(point: FailPoint) -> None:
        if point is FailPoint.MOVE_COPIED:
            empty.store(empty.user(), Mail(1))

    with transaction(place.databases.control) as connection:
        connection.execute(text("UPDATE shards SET database = 0 WHERE shard_id = 3"))
    with watching(work):
        Mover(place.databases, "cluster", lambda _: None).move(3, 1)

    assert len(contents(place.at(1), 3)["messages"]) == 1


def test_an_unknown_place_is_refused(place: Place) -> None:
    for shard_id, database in ((99, 1), (0, 2)):
        with pytest.raises(NoSuchPlace):
            Mover(place.databases, "cluster").move(shard_id, database)


def _child(dsns: tuple[str, tuple[str, ...]], at: FailPoint) -> None:
    def die(point: FailPoint) -> None:
        if point is at:
            os._exit(9)

    databases = Databases(
        PostgresConfig(control_dsn=SecretStr(dsns[0]), shard_dsns=tuple(map(SecretStr, dsns[1]))), "mover"
    )
    with watching(die):
        mover = Mover(databases, "cluster", lambda _: None)
        mover.move(0, 1)
        mover.clean(0.0)


@pytest.mark.parametrize("point", POINTS)
def test_a_mover_that_is_killed_is_gone_on_with(place: Place, point: FailPoint) -> None:
    before = contents(place.at(0), 0)
    control, *shards = place.databases.dsns()
    process = multiprocessing.get_context("spawn").Process(target=_child, args=((control, tuple(shards)), point))
    process.start()
    process.join(60)
    assert process.exitcode == 9

    home = Control(place.databases.control).shards()[0]
    assert contents(place.at(home), 0) == before

    moved_once_free(place)
    mover = Mover(place.databases, "cluster", lambda _: None)
    mover.clean(0.0)

    assert contents(place.at(1), 0) == before
    assert not any(contents(place.at(0), 0).values())
    assert Control(place.databases.control).shards()[0] == 1
    assert leases.acquire(place.at(1), 0, "next", "cluster", 60).epoch > 1
    assert Catalog(place.at(1)).mailboxes(0)


def test_another_database_or_shard_moves_nobody(place: Place, new_database: Callable[[], str]) -> None:
    control, *shards = place.databases.dsns()
    before = Control(place.databases.control).shards()
    dsns = tuple(map(SecretStr, [*shards, new_database()]))
    grown = Databases(PostgresConfig(control_dsn=SecretStr(control), shard_dsns=dsns), "moves")

    migrate.upgrade(grown, shards=6)
    after = Control(grown.control).shards()
    grown.close()

    assert {number: after[number] for number in before} == before
    assert len(after) == 6

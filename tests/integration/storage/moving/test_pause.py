"""A shard of 200,000 messages moves while its owner commits: nothing is lost, and it stands still for seconds."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from storage.catalog import leases
from storage.catalog.leases import LeaseLost, ShardMoving
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.errors import BackupError
from storage.model.records import User
from storage.moving.move import Mover
from tests.integration.storage.factory import Mail, Shard

MESSAGES = 200_000


@pytest.fixture
def databases(new_stores: Callable[[], tuple[str, ...]]) -> Iterator[Databases]:
    """A control database and two shard databases of its own."""
    control, *dsns = map(SecretStr, new_stores())
    databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=tuple(dsns)), "pause")
    migrate.upgrade(databases, shards=2)
    yield databases
    databases.close()


def fill(shard: Shard, user: int) -> None:
    """Rows of an index that is as large as a real one, without files; every fourth message has an event."""
    with transaction(shard.engine) as connection:
        values = {"user": user, "last": MESSAGES}
        connection.execute(
            text(
                "INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes,"
                " sha256, segment_id, frame_offset, frame_bytes, raw_offset)"
                " SELECT :user, 1000 + n, n, 5, now(), ARRAY['INBOX', 'UNREAD'], 4000,"
                " sha256(CAST(CAST(n AS text) AS bytea)), 1, n * 100, 900, 0 FROM generate_series(1, :last) AS n"
            ),
            values,
        )
        connection.execute(
            text(
                "INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id)"
                " SELECT :user, 1000 + n, 'STARRED', true, 5 FROM generate_series(1, :last, 4) AS n"
            ),
            values,
        )


class Owner(threading.Thread):
    """Commits one message after the other where the map says, and takes the lease again when it was lost."""

    def __init__(self, databases: Databases, root: Path, user: int) -> None:
        super().__init__()
        self.databases, self.root, self.user = databases, root, user
        self.stored: list[int] = []
        self.places: list[int] = []
        self.refused: list[BackupError] = []
        self.failure: BackupError | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        try:
            while not self.ended.is_set():
                try:
                    self.own()
                except (LeaseLost, ShardMoving) as exc:
                    self.refused.append(exc)
                    self.ended.wait(0.05)  # as the keeper's ping comes again
        except BackupError as exc:
            self.failure = exc

    def own(self) -> None:
        control = Control(self.databases.control)
        place = control.shards()[0]
        engine = self.databases.shard_database(place)
        shard = Shard(engine, self.root, leases.acquire(engine, 0, "owner", "cluster", 60))
        if control.shards()[0] != place:
            return
        while not self.ended.is_set():
            number = 500_000 + len(self.stored)
            shard.store(self.user, Mail(number))
            self.stored.append(number)
            self.places.append(place)
            shard.change(self.user, (1001 + number % 1000, "READ", True), history_id=number)


@pytest.mark.slow
def test_an_owner_that_commits_all_the_while_loses_nothing(databases: Databases, archive_root: Path) -> None:
    engine = databases.shard_database(0)
    shard = Shard(engine, archive_root, leases.acquire(engine, 0, "first", "cluster", 60))
    user = shard.user()
    fill(shard, user)
    owner = Owner(databases, archive_root, user)
    owner.start()
    try:
        moved = Mover(databases, "cluster").move(0, 1)
        count = len(owner.stored)
        while len(owner.stored) < count + 3 and owner.is_alive():
            owner.join(0.05)
    finally:
        owner.ended.set()
        owner.join(60)

    assert owner.failure is None
    assert {type(error) for error in owner.refused} == {LeaseLost, ShardMoving}
    assert owner.places == sorted(owner.places)
    assert set(owner.places) == {0, 1}
    with transaction(databases.shard_database(1)) as connection:
        found = connection.execute(text("SELECT message_id FROM messages WHERE message_id >= 500000")).scalars()
        assert sorted(found) == owner.stored
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar() == MESSAGES + len(owner.stored)
    # 3.3 s on two shared cores, of which 2.5 s wait for readers to read the map again.
    assert moved.paused_s < 7


def test_users_added_at_once_are_spread_evenly(databases: Databases) -> None:
    added: list[User] = []

    def add(first: int) -> None:
        control = Control(databases.control)
        added.extend(control.add_user(f"u{number}@example.com") for number in range(first, first + 10))

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [sum(user.shard_id == shard for user in added) for shard in (0, 1)] == [20, 20]
    again = Control(databases.control).add_user("u7@example.com")
    assert again in added

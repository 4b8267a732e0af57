"""Tables by time: made ahead, emptied of what is old, and no row is ever refused or lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage.config import PostgresConfig, RetentionConfig
from storage.db import migrate
from storage.db.engines import Databases, LockTimedOut, transaction
from storage.db.partitions import AHEAD, maintain, maintain_all, of_shard
from storage.db.sql_files import query
from tests.integration.storage.db.test_migrations import at_revision

OUTBOX = of_shard(RetentionConfig())[:1]
EVENT = "INSERT INTO outbox (shard_id, user_id, type, data) VALUES (0, 1, 'messages.stored', '{}')"


@pytest.fixture
def fresh(new_database: Callable[[], str]) -> Iterator[Databases]:
    """A control database and one shard database, empty."""
    control, shard = SecretStr(new_database()), SecretStr(new_database())
    databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=(shard,)))
    yield databases
    databases.close()


@pytest.fixture
def engine(fresh: Databases) -> Engine:
    """An up to date shard database."""
    migrate.upgrade(fresh, shards=1)
    return fresh.shard_database(0)


def partitions(engine: Engine, table: str = "outbox") -> list[str]:
    with transaction(engine) as connection:
        statement = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1"
        return list(connection.execute(text(statement), {"table": table}).scalars())


def events(engine: Engine) -> list[tuple[str, int]]:
    with transaction(engine) as connection:
        return [
            tuple(row)
            for row in connection.execute(text("SELECT tableoid::regclass::text, event_id FROM outbox ORDER BY 2"))
        ]


def run(engine: Engine, statement: str, **values: object) -> None:
    with transaction(engine) as connection:
        connection.execute(text(statement), values)


def test_partitions_are_made_ahead_and_a_second_look_changes_nothing(fresh: Databases, engine: Engine) -> None:
    assert len(partitions(engine)) == 2 + AHEAD
    assert len(partitions(engine, "failed_history")) == 2 + AHEAD
    assert len(partitions(fresh.control, "audit")) == 2 + AHEAD
    before = partitions(engine)
    assert maintain_all(fresh, datetime.now(UTC)) == []
    assert partitions(engine) == before


def test_an_event_has_its_id_and_its_partition_without_being_told(engine: Engine) -> None:
    run(engine, EVENT)
    run(engine, EVENT)

    (first, number), (second, next_number) = events(engine)
    assert first == second != "outbox_default"
    assert number < next_number


def test_rows_that_no_partition_was_made_for_are_moved_into_theirs(engine: Engine) -> None:
    later = datetime.now(UTC) + timedelta(days=200)
    run(engine, EVENT.replace("data)", "data, created_at)").replace("'{}'", "'{}', :at"), at=later)
    assert [name for name, _ in events(engine)] == ["outbox_default"]

    done = maintain(engine, OUTBOX, datetime.now(UTC))

    assert done.moved == 1
    assert [name for name, _ in events(engine)] == [done.made[0]]


def test_what_is_older_than_its_retention_goes_and_the_rest_stays(engine: Engine) -> None:
    run(engine, EVENT)
    month = datetime.now(UTC) + timedelta(days=29)
    assert maintain(engine, OUTBOX, month).dropped == ()
    assert len(events(engine)) == 1

    dropped = maintain(engine, OUTBOX, month + timedelta(days=9)).dropped

    assert dropped
    assert events(engine) == []
    assert not {*dropped} & {*partitions(engine)}


def test_a_table_that_somebody_holds_is_left_for_the_next_look(engine: Engine) -> None:
    later = datetime.now(UTC) + timedelta(days=60)
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(LockTimedOut):
            maintain(engine, OUTBOX, later)
    assert maintain(engine, OUTBOX, later).made


def test_the_events_of_before_are_kept_with_their_ids(fresh: Databases) -> None:
    engine = fresh.shard_database(0)
    at_revision(engine, "0005")
    for _ in range(3):
        run(engine, EVENT)
    run(engine, "DELETE FROM outbox WHERE event_id = 3")  # its id is not used again
    run(engine, "UPDATE outbox SET created_at = now() - interval '20 days' WHERE event_id = 1")

    migrate.upgrade(fresh, shards=1)
    run(engine, EVENT)

    assert events(engine) == [("outbox_before", 1), ("outbox_before", 2), ("outbox_before", 4)]
    with transaction(engine) as connection:
        plan = "\n".join(connection.execute(text("EXPLAIN SELECT * FROM outbox WHERE event_id > 3")).scalars())
    assert "outbox_before_pkey" in plan or "Seq Scan" in plan
    maintain(engine, OUTBOX, datetime.now(UTC) + timedelta(days=60))
    assert events(engine) == []


def test_a_writer_of_the_release_before_goes_on_during_the_upgrade(fresh: Databases) -> None:
    engine = fresh.shard_database(0)
    at_revision(engine, "0005")
    started, ended, written = threading.Event(), threading.Event(), []

    def write() -> None:
        while not ended.is_set():
            run(engine, EVENT)
            written.append(1)
            started.set()

    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(write)
        assert started.wait(20)
        migrate.upgrade(fresh, shards=1)
        before = len(written)
        while len(written) <= before and not writing.done():
            started.clear()
            started.wait(20)
        ended.set()
        writing.result()

    assert len({number for _, number in events(engine)}) == len(written)
    assert {name for name, _ in events(engine)} == {"outbox_before"}


def test_what_became_of_a_failed_message_is_kept(engine: Engine) -> None:
    message = (
        "INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes, sha256,"
        " segment_id, frame_offset, frame_bytes, raw_offset) VALUES (1, 2, 2, 1, now(), '{}', 1, '', 1, 0, 1, 0)"
    )
    run(engine, message)
    with transaction(engine) as connection:
        values = {"user_ids": [1, 1], "message_ids": [2, 3]}
        failed = values | {
            "attempts": [4, 5],
            "errors": ["HTTP 500", "HTTP 404"],
            "not_before": [datetime.now(UTC)] * 2,
            "kinds": ["missing", "missing"],
        }
        connection.execute(query("failed_upsert"), failed)
        for _ in range(2):  # settled twice is settled once
            connection.execute(query("failed_settle"), values)
        rows = connection.execute(text("SELECT message_id, attempts, error, outcome FROM failed_history ORDER BY 1"))
        assert [tuple(row) for row in rows] == [(2, 4, "HTTP 500", "stored"), (3, 5, "HTTP 404", "gone")]
        assert connection.execute(text("SELECT count(*) FROM failed_items")).scalar() == 0


def test_one_database_in_the_way_does_not_keep_the_others_from_being_tended(fresh: Databases) -> None:
    migrate.upgrade(fresh, shards=1)
    before = partitions(fresh.shard_database(0))
    later = datetime.now(UTC) + timedelta(days=60)
    with fresh.control.begin() as holder:
        holder.execute(text("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE"))
        (failure,) = maintain_all(fresh, later)
    assert "held a lock" in failure
    assert "try again" in failure
    assert partitions(fresh.shard_database(0)) != before

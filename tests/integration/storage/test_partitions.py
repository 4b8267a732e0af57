"""Tables by time: made ahead, emptied of what is old, and no row is ever refused or lost."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage import schema
from storage.config import PostgresConfig, RetentionConfig
from storage.databases import Databases, LockTimedOut, transaction
from storage.partitions import AHEAD, of_shard, tend, tend_all
from tests.integration.storage.test_migrations import at_revision

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
    schema.upgrade(fresh, shards=1)
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
    assert tend_all(fresh, datetime.now(UTC)) == []
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

    done = tend(engine, OUTBOX, datetime.now(UTC))

    assert done.moved == 1
    assert [name for name, _ in events(engine)] == [done.made[0]]


def test_what_is_older_than_its_retention_goes_and_the_rest_stays(engine: Engine) -> None:
    run(engine, EVENT)
    month = datetime.now(UTC) + timedelta(days=29)
    assert tend(engine, OUTBOX, month).dropped == ()
    assert len(events(engine)) == 1

    dropped = tend(engine, OUTBOX, month + timedelta(days=9)).dropped

    assert dropped
    assert events(engine) == []
    assert not {*dropped} & {*partitions(engine)}


def test_a_table_that_somebody_holds_is_left_for_the_next_look(engine: Engine) -> None:
    later = datetime.now(UTC) + timedelta(days=60)
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(LockTimedOut):
            tend(engine, OUTBOX, later)
    assert tend(engine, OUTBOX, later).made


def test_the_events_of_before_are_kept_with_their_ids(fresh: Databases) -> None:
    engine = fresh.shard_database(0)
    at_revision(engine, "0005")
    for _ in range(3):
        run(engine, EVENT)
    run(engine, "DELETE FROM outbox WHERE event_id = 3")  # its id is not used again
    run(engine, "UPDATE outbox SET created_at = now() - interval '20 days' WHERE event_id = 1")

    schema.upgrade(fresh, shards=1)
    run(engine, EVENT)

    assert events(engine) == [("outbox_before", 1), ("outbox_before", 2), ("outbox_before", 4)]
    with transaction(engine) as connection:
        plan = "\n".join(connection.execute(text("EXPLAIN SELECT * FROM outbox WHERE event_id > 3")).scalars())
    assert "outbox_before_pkey" in plan or "Seq Scan" in plan
    tend(engine, OUTBOX, datetime.now(UTC) + timedelta(days=60))
    assert events(engine) == []

"""An upgrade by an operator: what is in the way of one database is told, and the others are done."""

import threading
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.audit import Audit
from storage.db.engines import Databases, transaction
from storage.db.migrate import SchemaOutdated, SchemaUnknown
from tests.integration.storage.db.test_migrations import at_revision

NEWEST = migrate._newest("shard")


@pytest.fixture
def fresh(new_database: Callable[[], str]) -> Iterator[Databases]:
    """A control database and two shard databases, empty."""
    control, *shards = (SecretStr(new_database()) for _ in range(3))
    databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=tuple(shards)))
    yield databases
    databases.close()


def mark(databases: Databases, index: int, revision: str) -> None:
    with transaction(databases.shard_database(index)) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_every_database_has_its_line_and_its_entry_in_the_audit_log(fresh: Databases) -> None:
    at_revision(fresh.shard_database(1), "0005")
    told: list[str] = []

    states = migrate.upgrade_each(fresh, 4, told.append, actor="ann")

    assert all(state.current for state in states)
    assert [line for line in told if " -> " in line][1:] == [
        f"shard database 1 of 2: new -> {NEWEST}",
        f"shard database 2 of 2: 0005 -> {NEWEST}",
    ]
    steps = migrate.revisions_after("shard", "0005")
    assert [line for line in told if " -> " not in line] == [
        f"shard database 2 of 2: migration {step} done ({number} of {len(steps)})"
        for number, step in enumerate(steps, 1)
    ]
    entries = Audit(fresh.control).entries()
    assert [(entry.actor, entry.action, entry.subject) for entry in entries][2] == (
        "ann",
        "schema.upgrade",
        "shard database 2 of 2",
    )
    assert entries[2].detail == {"from": "0005", "to": NEWEST}
    told.clear()
    migrate.upgrade_each(fresh, 4, told.append)
    assert all(line.endswith("already") for line in told)
    assert len(Audit(fresh.control).entries()) == 3


def test_one_database_that_cannot_be_reached_is_named_and_the_others_are_upgraded(
    new_database: Callable[[], str],
) -> None:
    control, gone, shard = new_database(), make_url(new_database()), new_database()
    url = gone.set(username="nobody-here").render_as_string(hide_password=False)
    dsns = SecretStr(url), SecretStr(shard)
    databases = Databases(PostgresConfig(control_dsn=SecretStr(control), shard_dsns=dsns))
    told: list[str] = []

    states = migrate.upgrade_each(databases, 4, told.append)

    assert [state.current for state in states] == [True, False, True]
    assert "cannot be reached" in told[1]
    assert [state.error is None for state in migrate.states(databases)] == [True, False, True]
    databases.close()


def test_of_two_upgrades_the_second_says_that_it_waits_and_only_so_long(fresh: Databases) -> None:
    migrate.upgrade(fresh, shards=1)
    with fresh.control.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": migrate._LOCK})
        told: list[str] = []
        states = migrate.upgrade_each(fresh, 1, told.append, wait_s=0.2)
        assert "waiting for it" in told[0]
        assert [state.current for state in states] == [False, True, True]
        assert "held a lock" in str(states[0].error)
        assert "try again" in str(states[0].error)

        waiting = threading.Event()
        thread = threading.Thread(
            target=lambda: states.extend(
                migrate.upgrade_each(fresh, 1, lambda line: waiting.set() if "waiting for it" in line else None)
            )
        )
        thread.start()
        assert waiting.wait(20)
    thread.join(20)
    assert [state.current for state in states[3:]] == [True, True, True]


def test_a_schema_of_a_newer_release_is_left_as_it_is(fresh: Databases, caplog: pytest.LogCaptureFixture) -> None:
    migrate.upgrade(fresh, shards=1)
    mark(fresh, 1, "9000")

    migrate.upgrade(fresh, shards=1)
    migrate.require(fresh)

    assert "newer than this release" in caplog.text
    assert migrate.states(fresh)[2].revision == "9000"
    assert migrate.states(fresh)[2].current


def test_a_schema_of_nobody_is_refused(fresh: Databases) -> None:
    migrate.upgrade(fresh, shards=1)
    mark(fresh, 0, "0003x")

    with pytest.raises(SchemaUnknown, match="0003x"):
        migrate.upgrade(fresh, shards=1)
    assert [state.current for state in migrate.upgrade_each(fresh, 1, lambda _: None)] == [True, False, True]


def test_a_release_refuses_an_older_schema_and_changes_nothing(fresh: Databases) -> None:
    with pytest.raises(SchemaOutdated, match="gbm db upgrade"):
        migrate.require(fresh)
    assert [state.revision for state in migrate.states(fresh)] == [None, None, None]
    migrate.upgrade(fresh, shards=1)
    migrate.require(fresh)
    mark(fresh, 1, "0005")
    with pytest.raises(SchemaOutdated, match="shard database 2 of 2"):
        migrate.require(fresh)

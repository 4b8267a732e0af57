"""Databases are made and brought up to date, as often and by as many as like; what is wrong is one sentence."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import make_url, text

from storage.config import PostgresConfig
from storage.control.control import Control
from storage.db import migrate
from storage.db.engines import DatabaseReadOnly, Databases, DatabaseUnreachable, StatementTimedOut, transaction
from storage.db.migrate import DatabaseMissing
from storage.embedded_postgres.embedded import EmbeddedPostgres

NAME = 'schema tests "quoted"'


def databases_of(dsn: str) -> Databases:
    return Databases(PostgresConfig(control_dsn=SecretStr(dsn), connect_timeout_s=2))


def database_of(dsn: str, name: str) -> str:
    return make_url(dsn).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def missing(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The DSN of a control database that does not exist; it and its shard databases are dropped afterwards."""
    yield database_of(postgres.dsn("postgres"), NAME)
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        for name in (NAME, f"{NAME}_shard0", f"{NAME}_shard1"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def test_missing_databases_are_made_and_shards_are_dealt_once(missing: str) -> None:
    databases = databases_of(missing)
    told: list[str] = []
    migrate.upgrade(databases, shards=3, progress=told.append)
    user = Control(databases.control).add_user("ann@example.com")
    migrate.upgrade(databases, shards=5)
    migrate.upgrade(databases, shards=1)

    assert told == ["control database", "shard database 1 of 2", "shard database 2 of 2"]
    assert Control(databases.control).shards() == {0: 0, 1: 1, 2: 0, 3: 1, 4: 0}
    assert Control(databases.control).users() == [user]
    with transaction(databases.shard_database(1)) as connection:
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar() == 0
    databases.close()


def test_several_upgrades_at_once_make_one_schema(missing: str) -> None:
    several = [databases_of(missing) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda databases: migrate.upgrade(databases, shards=4), several))

    assert Control(several[0].control).shards() == {0: 0, 1: 1, 2: 0, 3: 1}
    for databases in several:
        databases.close()


def test_an_unreachable_server_is_one_sentence_without_the_password() -> None:
    with socket.socket() as taken:  # bound but not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        dsn = f"postgresql://gbm:hunter2@127.0.0.1:{taken.getsockname()[1]}/gbm"
        for ask in (lambda: migrate.upgrade(databases_of(dsn), 1), lambda: Control(databases_of(dsn).control).users()):
            with pytest.raises(DatabaseUnreachable) as told:
                ask()
            assert "127.0.0.1" in str(told.value)
            assert "GBM_POSTGRES__CONTROL_DSN" in str(told.value)
            assert "hunter2" not in str(told.value)
            assert "\n" not in str(told.value)


def test_a_wrong_password_or_role_is_told_as_it_is(postgres: EmbeddedPostgres) -> None:
    url = make_url(postgres.dsn("postgres"))
    for wrong in (url.set(password="hunter2"), url.set(username="nobody-here", password="hunter2")):
        with pytest.raises(DatabaseUnreachable) as told:
            migrate.upgrade(databases_of(wrong.render_as_string(hide_password=False)), 1)
        assert "authentication" in str(told.value) or "role" in str(told.value)
        assert "hunter2" not in str(told.value)


def test_an_account_that_may_not_create_a_database_is_told_what_to_run(
    postgres: EmbeddedPostgres, missing: str
) -> None:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE ROLE limited LOGIN PASSWORD 'limited'")
        try:
            url = make_url(missing).set(username="limited", password="limited")
            with pytest.raises(DatabaseMissing, match="CREATE DATABASE"):
                migrate.upgrade(databases_of(url.render_as_string(hide_password=False)), 1)
        finally:
            connection.execute("DROP ROLE limited")


def test_a_statement_that_takes_too_long_is_ended_and_the_connection_goes_on(dsn: str) -> None:
    databases = Databases(PostgresConfig(control_dsn=SecretStr(dsn), statement_timeout_s=0.2, pool_size=1))

    with pytest.raises(StatementTimedOut, match="STATEMENT_TIMEOUT_S"), transaction(databases.control) as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    with transaction(databases.control) as connection:
        assert connection.execute(text("SHOW timezone")).scalar() == "UTC"
    databases.close()


def test_a_server_that_takes_no_writes_is_told_apart_from_one_that_is_gone(dsn: str) -> None:
    databases = databases_of(dsn)

    with pytest.raises(DatabaseReadOnly, match="primary"), transaction(databases.control) as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("CREATE TABLE refused (number integer)"))
    databases.close()


def test_an_error_of_a_statement_does_not_quote_its_values(dsn: str) -> None:
    databases = databases_of(dsn)

    with pytest.raises(Exception, match="division") as told, transaction(databases.control) as connection:
        connection.execute(text("SELECT 1 / 0, CAST(:mail AS text)"), {"mail": "private words"})
    assert "private words" not in str(told.value)
    databases.close()

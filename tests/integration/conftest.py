"""Real PostgreSQL for integration tests: one embedded server per session, one empty database per test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases
from storage.db.migrate import create_database
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from tests.conftest import memory_home


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The session's server. Its data die with the session, so it does not wait for the disk."""
    home = memory_home()
    # Half the default: the tests of other servers run beside it on small machines.
    config = EmbeddedConfig(shared_buffers="64MB", settings={"fsync": "off", "synchronous_commit": "off"})
    with EmbeddedPostgres(home / "postgres", config) as server:
        yield server
    shutil.rmtree(home)


@pytest.fixture
def new_database(postgres: EmbeddedPostgres) -> Iterator[Callable[[], str]]:
    """Call it for the DSN of a new, empty database; all are dropped after the test, whoever is connected."""
    numbers = count(1)
    names: list[str] = []

    def create() -> str:
        name = f"test_{next(numbers)}"
        create_database(postgres.dsn(name))
        names.append(name)
        return postgres.dsn(name)

    yield create
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def patterns(postgres: EmbeddedPostgres) -> tuple[str, ...]:
    """Names of a control database and two shard databases with their schemas and two shards, to be copied."""
    return _pattern(postgres, ("pattern_control", "pattern_shard0", "pattern_shard1"), shards=2)


@pytest.fixture(scope="session")
def pair_patterns(postgres: EmbeddedPostgres) -> tuple[str, ...]:
    """Names of a control database and a shard database with their schemas and one shard, to be copied."""
    return _pattern(postgres, ("pair_control", "pair_shard"), shards=1)


@pytest.fixture
def new_stores(postgres: EmbeddedPostgres, patterns: tuple[str, ...]) -> Iterator[Callable[[], tuple[str, ...]]]:
    """Call it for the DSNs of a control database and two shard databases, up to date, with two shards."""
    with _copies(postgres, patterns) as create:
        yield create


@pytest.fixture(scope="module")
def module_stores(postgres: EmbeddedPostgres, patterns: tuple[str, ...]) -> Iterator[Callable[[], tuple[str, ...]]]:
    """As `new_stores`, for a whole module, which then does not use that: the copies would have the same names."""
    with _copies(postgres, patterns) as create:
        yield create


@pytest.fixture
def new_pair(postgres: EmbeddedPostgres, pair_patterns: tuple[str, ...]) -> Iterator[Callable[[], tuple[str, ...]]]:
    """Call it for the DSNs of a control database and a shard database, up to date, with one shard."""
    with _copies(postgres, pair_patterns) as create:
        yield create


def _pattern(postgres: EmbeddedPostgres, names: tuple[str, ...], shards: int) -> tuple[str, ...]:
    """Create the first as control database, the others as shard databases."""
    for name in names:
        create_database(postgres.dsn(name))
    control, *others = (SecretStr(postgres.dsn(name)) for name in names)
    databases = Databases(PostgresConfig(control_dsn=control, shard_dsns=tuple(others)), "patterns")
    migrate.upgrade(databases, shards=shards)
    databases.close()
    return names


@contextmanager
def _copies(postgres: EmbeddedPostgres, patterns: tuple[str, ...]) -> Iterator[Callable[[], tuple[str, ...]]]:
    """Copies databases, and drops the copies at the end.

    For one set of three, copying takes the server 31 ms of processor time by FILE_COPY (73 ms by WAL_LOG, PostgreSQL's
    default); running the migrations takes server and caller 460 ms for two (2026-11).
    """
    numbers = count(1)
    names: list[str] = []

    def create() -> tuple[str, ...]:
        number = next(numbers)
        made = [f"copy_{number}_of_{name}" for name in patterns]
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            for name, pattern in zip(made, patterns, strict=True):
                copying = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
                connection.execute(copying.format(sql.Identifier(name), sql.Identifier(pattern)))
        names.extend(made)
        return tuple(postgres.dsn(name) for name in made)

    yield create
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        for name in names:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    """The DSN of one new, empty database."""
    return new_database()

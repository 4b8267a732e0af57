"""One shard database and archive for all tests of storage; each test works on shards and users of its own."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases
from storage.db.migrate import create_database
from storage.embedded_postgres import postmaster
from storage.embedded_postgres.embedded import EmbeddedPostgres
from tests.conftest import private_home
from tests.integration.storage.factory import Shard


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """A control database and two shard databases, up to date."""
    create_database(postgres.dsn("storage_tests"))
    databases = Databases(PostgresConfig(control_dsn=SecretStr(postgres.dsn("storage_tests"))), "storage tests")
    migrate.upgrade(databases, shards=4)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def engine(databases: Databases) -> Engine:
    """A shard database."""
    return databases.shard_database(0)


@pytest.fixture(scope="session")
def archive_root() -> Iterator[Path]:
    """The archive's folder. Its path is awkward on purpose: DuckDB would read it as a pattern and a partition."""
    home = private_home()
    root = home / "mail[1]*" / "user_id=0"
    root.mkdir(parents=True)
    yield root
    shutil.rmtree(home)


@pytest.fixture
def directory(home: Path) -> Iterator[Path]:
    """A directory for a server; a test that fails leaves no server behind."""
    place = home / "postgres"
    yield place
    left = postmaster.running((place / "data").resolve())
    if left is not None:
        postmaster.stop(left, 30)


@pytest.fixture
def new_shard(engine: Engine, archive_root: Path) -> Callable[[], Shard]:
    """Call it for a new shard, owned under epoch 1."""
    return lambda: Shard(engine, archive_root)


@pytest.fixture
def shard(new_shard: Callable[[], Shard]) -> Shard:
    """A new shard."""
    return new_shard()

"""A shard whose mail is exported."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases
from storage.db.migrate import create_database
from storage.embedded_postgres.embedded import EmbeddedPostgres
from tests.integration.storage.factory import Shard

_NUMBERS = count(1)


@contextmanager
def new_databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """Databases, up to date."""
    name = f"export_tests_{next(_NUMBERS)}"
    create_database(postgres.dsn(name))
    databases = Databases(PostgresConfig(control_dsn=SecretStr(postgres.dsn(name))), "export tests")
    migrate.upgrade(databases, shards=2)
    yield databases
    databases.close()


@pytest.fixture(scope="package")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    """Databases that tests share."""
    with new_databases(postgres) as databases:
        yield databases


@pytest.fixture
def shard(databases: Databases, tmp_path: Path) -> Shard:
    """A new shard with an archive of its own."""
    root = tmp_path / "archive"
    root.mkdir()
    return Shard(databases.shard_database(0), root)

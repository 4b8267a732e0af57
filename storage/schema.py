"""Creates the databases where that is allowed and brings their schemas up to date. Called before a cluster starts."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from storage.databases import Databases, transaction
from storage.errors import BackupError

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x67626D  # "gbm": one migration at a time per database


class DatabaseMissing(BackupError):
    """A database does not exist and this account may not create it. Have it created."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f'There is no database "{self.name}" and this account may not create it: run CREATE DATABASE "{self.name}".'
        )


def upgrade(databases: Databases, shards: int, progress: Callable[[str], None] | None = None) -> None:
    """Create what is missing; bring every schema to the newest version; register `shards` logical shards.

    Logical shards are dealt over the databases in turn, once: a shard that is registered stays where it is.

    Raises:
        DatabaseUnreachable, DatabaseMissing.
    """
    for dsn in databases.dsns():
        _create_database(dsn)
    tell = progress or (lambda _: None)
    tell("control database")
    with transaction(databases.control) as connection:
        _migrate(connection, "control")
        connection.execute(
            text(
                "INSERT INTO shards (shard_id, database) SELECT s, s % :databases FROM generate_series(0, :last) AS s"
                " ON CONFLICT DO NOTHING"
            ),
            {"databases": databases.shard_databases, "last": shards - 1},
        )
    for index in range(databases.shard_databases):
        tell(f"shard database {index + 1} of {databases.shard_databases}")
        with transaction(databases.shard_database(index)) as connection:
            _migrate(connection, "shard")


def _migrate(connection: Connection, schema: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if _version(connection) == _newest(schema):
        return
    from alembic import command  # takes longer to import than a short command takes in all
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / schema))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


@cache
def _newest(schema: str) -> str:
    """The newest revision: versions are files that begin with it, in order."""
    return max(path.name for path in (_MIGRATIONS / schema / "versions").glob("[0-9]*.py")).split("_")[0]


def _create_database(dsn: str) -> None:
    """Create the database if it does not exist; an existing one costs one connection."""
    engine = create_engine(dsn, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect():
            return
    except OperationalError as exc:
        if not re.search(r'database ".*" does not exist', str(exc)):  # a role can be missing as well
            with transaction(engine):  # raises what is wrong, in our words
                return
    name = make_url(dsn).database or ""
    admin = create_engine(make_url(dsn).set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            quoted = admin.dialect.identifier_preparer.quote_identifier(name)
            connection.execute(text(f"CREATE DATABASE {quoted}"))
    except DBAPIError as exc:
        if "already exists" not in str(exc):  # of two at once, the loser is told so by a unique index
            raise DatabaseMissing(name) from exc

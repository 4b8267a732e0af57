"""Creates missing databases and upgrades schemas. Called before a cluster starts.

`upgrade` stops at the first database that fails; `upgrade_each` (`gbm db upgrade`) reports it and upgrades the others.
A schema newer than this release is left unchanged: a release works on the schema of the next release (README.md).
"""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from storage.db import audit, partitions
from storage.db.engines import Databases, DatabaseUnreachable, LockTimedOut, transaction
from storage.db.sql_files import query
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x67626D  # "gbm": one migration at a time per database
#: Seconds that an upgrade waits for another upgrade of the same database.
UPGRADE_WAIT_S = 600.0
#: Seconds that a migration waits for a table lock; later statements on the table queue behind it.
_TABLE_WAIT_S = 10.0

Schema = Literal["control", "shard"]
Tell = Callable[[str], None]


class DatabaseMissing(BackupError):
    """A database does not exist and this account may not create it. Ask an administrator to create it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f'There is no database "{self.name}" and this account may not create it: run CREATE DATABASE "{self.name}".'
        )


class SchemaOutdated(BackupError):
    """A production database has an older schema, which is not migrated automatically. Run `gbm db upgrade`."""

    def __init__(self, label: str, revision: str, newest: str) -> None:
        super().__init__(label, revision, newest)
        self.label, self.revision, self.newest = label, revision, newest

    def __str__(self) -> str:
        return (
            f"The schema of the {self.label} is {self.revision}, and this release needs {self.newest}: "
            "run `gbm db upgrade`."
        )


class SchemaUnknown(BackupError):
    """A database has a schema revision of no release. Name another database, or restore this one."""

    def __init__(self, label: str, revision: str) -> None:
        super().__init__(label, revision)
        self.label, self.revision = label, revision

    def __str__(self) -> str:
        return (
            f"The {self.label} has the unknown schema revision {self.revision!r}: name another database, "
            "or restore this one from a copy."
        )


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema of one database.

    label: such as "shard database 1 of 2". revision: None when the database or its schema does not exist.
    error: why the revision could not be read or upgraded.
    """

    label: str
    revision: str | None
    newest: str
    error: str | None = None

    @property
    def current(self) -> bool:
        """Whether this release can work on the schema."""
        return self.error is None and self.revision is not None and self.revision >= self.newest


def upgrade(databases: Databases, shards: int, progress: Tell | None = None) -> None:
    """Create missing databases, upgrade every schema, and register `shards` logical shards.

    New shards are assigned to the databases round-robin; a registered shard keeps its database.

    Raises:
        DatabaseUnreachable, DatabaseMissing.
    """
    for dsn in databases.dsns():
        create_database(dsn)
    tell = progress or (lambda _: None)
    for label, schema, engine in _labelled_engines(databases):
        tell(label)
        _upgrade_one(databases, engine, schema, label, tell, None)
    register(databases, shards)


def upgrade_each(
    databases: Databases, shards: int, tell: Tell, wait_s: float = UPGRADE_WAIT_S, actor: str = "gbm"
) -> list[SchemaState]:
    """As `upgrade`, but continues with the next database after an error.

    Args:
        tell: receives a line per database, and a line when another upgrade is waited for.
        wait_s: seconds to wait for another upgrade, per database.
        actor: name for the audit log.
    """
    states = []
    for dsn, (label, schema, engine) in zip(databases.dsns(), _labelled_engines(databases), strict=True):
        newest, before, error = _newest(schema), None, None
        try:
            create_database(dsn)
            before, after = _upgrade_one(databases, engine, schema, label, tell, wait_s)
            tell(f"{label}: {before or 'new'} -> {after}" if before != after else f"{label}: {after} already")
            states.append(SchemaState(label, after, newest))
            if before != after:
                _record(databases, actor, label, before, after)
        except (BackupError, DBAPIError) as exc:
            error = str(exc) if isinstance(exc, BackupError) else _sentence(exc)
            tell(f"{label}: {error}")
            states.append(SchemaState(label, before, newest, error))
    if states[0].current:
        register(databases, shards)
    return states


def revisions(databases: Databases) -> dict[str, str | None]:
    """The revision of every database by name ("control", "shard0"); None: the database or its schema is missing.

    Raises:
        DatabaseUnreachable.
    """
    names = ["control", *(f"shard{index}" for index in range(databases.shard_databases))]
    return {name: _revision(engine) for name, (_, _, engine) in zip(names, _labelled_engines(databases), strict=True)}


def create_missing(databases: Databases, tell: Tell) -> dict[str, str]:
    """Create missing databases and schemas, and leave the others unchanged; return every revision."""
    known = revisions(databases)
    for name, dsn, (label, schema, engine) in zip(known, databases.dsns(), _labelled_engines(databases), strict=True):
        if known[name] is None:
            create_database(dsn)
            known[name] = _upgrade_one(databases, engine, schema, label, tell, None)[1]
    return {name: revision for name, revision in known.items() if revision is not None}


def register(databases: Databases, shards: int) -> None:
    """Register `shards` logical shards; a registered shard keeps its database."""
    with transaction(databases.control) as connection:
        connection.execute(
            text(
                "INSERT INTO shards (shard_id, database) SELECT s, s % :databases FROM generate_series(0, :last) AS s"
                " ON CONFLICT DO NOTHING"
            ),
            {"databases": databases.shard_databases, "last": shards - 1},
        )


def states(databases: Databases) -> list[SchemaState]:
    """The schema of every database, control first. Read-only."""
    return [_state(label, schema, engine) for label, schema, engine in _labelled_engines(databases)]


def require(databases: Databases) -> None:
    """Check that this release can work on every database. Read-only.

    Raises:
        SchemaOutdated: a schema is older, or missing.
        DatabaseUnreachable.
    """
    for label, schema, engine in _labelled_engines(databases):
        revision, newest = _revision(engine), _newest(schema)
        if revision is None or revision < newest:
            raise SchemaOutdated(label, revision or "missing", newest)
        if revision > newest:
            _warn_of_newer(label, revision, newest)


def _labelled_engines(databases: Databases) -> Iterator[tuple[str, Schema, Engine]]:
    yield "control database", "control", databases.control
    for index in range(databases.shard_databases):
        label = f"shard database {index + 1} of {databases.shard_databases}"
        yield label, "shard", databases.shard_database(index)


def _state(label: str, schema: Schema, engine: Engine) -> SchemaState:
    try:
        return SchemaState(label, _revision(engine), _newest(schema))
    except BackupError as exc:
        return SchemaState(label, None, _newest(schema), str(exc))


def _revision(engine: Engine) -> str | None:
    try:
        with transaction(engine) as connection:
            return _version(connection)
    except DatabaseUnreachable as exc:
        if _does_not_exist(exc.reason):
            return None
        raise


def _upgrade_one(
    databases: Databases, engine: Engine, schema: Schema, label: str, tell: Tell, wait_s: float | None
) -> tuple[str | None, str]:
    """Migrate one database and create its partitions; return its revisions before and after."""
    with transaction(engine) as connection:
        _lock_out_others(connection, label, tell, wait_s)
        before = _version(connection)
        if _known(schema, before, label):
            _migrate(connection, schema, before, on_step=_step_reporter(schema, before, label, tell))
        after = _version(connection)
    assert after is not None
    retention = databases.retention
    tables = partitions.of_control(retention) if schema == "control" else partitions.of_shard(retention)
    try:
        partitions.maintain(engine, tables, datetime.now(UTC))
    except LockTimedOut as exc:  # rows go to the default partitions, and a cluster maintains partitions daily
        _LOG.warning("The partitions of the %s were not maintained: %s", label, exc)
    return before, after


def _lock_out_others(connection: Connection, label: str, tell: Tell, wait_s: float | None) -> None:
    """Lock out other upgrades of this database until the transaction ends.

    Raises:
        LockTimedOut: another upgrade took longer than `wait_s`.
    """
    if connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar():
        return
    limit_s = UPGRADE_WAIT_S if wait_s is None else wait_s
    tell(f"{label}: another upgrade is running; waiting for it, at most {limit_s:.0f} s")
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text(f"SET LOCAL lock_timeout = {max(int(limit_s * 1000), 1)}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _known(schema: Schema, revision: str | None, label: str) -> bool:
    """Whether a revision is known and can be upgraded; a newer release's revision is left unchanged.

    Raises:
        SchemaUnknown.
    """
    newest = _newest(schema)
    if revision is None or revision in _revisions(schema):
        return True
    if not re.fullmatch(r"\d{4}", revision) or revision <= newest:
        raise SchemaUnknown(label, revision)
    _warn_of_newer(label, revision, newest)
    return False


def _warn_of_newer(label: str, revision: str, newest: str) -> None:
    _LOG.warning("The schema of the %s is %s, newer than this release's %s; unchanged", label, revision, newest)


def newest_revisions() -> dict[str, str]:
    """The newest revision of each schema in this release."""
    return {"control": _newest("control"), "shard": _newest("shard")}


def is_newer(schema: Schema, revision: str) -> bool:
    """Whether a revision belongs to a newer release."""
    return revision not in _revisions(schema) and revision > _newest(schema)


def revisions_after(schema: Schema, revision: str | None) -> list[str]:
    """The pending migrations of a database at this revision, in order; None: an empty database."""
    return sorted(known for known in _revisions(schema) if revision is None or known > revision)


def remake(connection: Connection, schema: Schema, revision: str) -> None:
    """Delete everything in the database, and create its schema at a revision."""
    connection.execute(query("drop_everything"))
    _migrate(connection, schema, None, revision)


def migrate_to(connection: Connection, schema: Schema, revision: str) -> None:
    """Run the migrations of a database up to a revision, within the caller's transaction."""
    _migrate(connection, schema, _version(connection), revision)


def bring_to_newest(connection: Connection, schema: Schema, label: str, tell: Tell) -> None:
    """Migrate a database to the newest revision within the caller's transaction."""
    before = _version(connection)
    _migrate(connection, schema, before, on_step=_step_reporter(schema, before, label, tell))


def _step_reporter(schema: Schema, before: str | None, label: str, tell: Tell) -> Callable[[str], None]:
    """A function that reports each completed migration, except for a new database."""
    steps = revisions_after(schema, before)

    def done(revision: str) -> None:
        if before is not None:
            tell(f"{label}: migration {revision} done ({steps.index(revision) + 1} of {len(steps)})")

    return done


def _migrate(
    connection: Connection,
    schema: Schema,
    revision: str | None,
    target: str = "head",
    on_step: Callable[[str], None] | None = None,
) -> None:
    """Run the migrations up to `target`. on_step: called with each completed revision."""
    if revision == _newest(schema):
        return
    from alembic import command  # importing it takes longer than a short command runs
    from alembic.config import Config

    connection.execute(text("SET LOCAL statement_timeout = 0"))  # indexing a large table takes long
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    connection.execute(text(f"SET LOCAL lock_timeout = {int(_TABLE_WAIT_S * 1000)}"))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS / schema))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["on_step"] = on_step or (lambda _: None)
    command.upgrade(config, target)


def _record(databases: Databases, actor: str, label: str, before: str | None, after: str) -> None:
    """Add the upgrade to the audit log, if the control database has one; a failure is logged only."""
    try:
        with transaction(databases.control) as connection:
            audit.append(connection, actor, "schema.upgrade", label, {"from": before, "to": after})
    except (DatabaseUnreachable, DBAPIError) as exc:
        _LOG.warning("The upgrade of the %s is not in the audit log: %s", label, exc)


def _version(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


@cache
def _revisions(schema: Schema) -> frozenset[str]:
    """All revisions, in order: a version's file name begins with its revision."""
    return frozenset(path.name.split("_")[0] for path in (_MIGRATIONS / schema / "versions").glob("[0-9]*.py"))


def _newest(schema: Schema) -> str:
    return max(_revisions(schema))


def _sentence(exc: DBAPIError) -> str:
    return str(exc.orig or exc).strip().splitlines()[0][:200]


def _does_not_exist(reason: str) -> bool:
    return re.search(r'database ".*" does not exist', reason) is not None  # a role may be missing too


def create_database(dsn: str) -> None:
    """Create a database unless it exists. Safe to call concurrently; an existing database costs one connection.

    Raises:
        DatabaseUnreachable.
        DatabaseMissing: this account may not create it.
    """
    engine = create_engine(dsn, poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect():
            return
    except OperationalError as exc:
        if not _does_not_exist(str(exc)):
            with transaction(engine):  # translates connection errors
                return
    name = make_url(dsn).database or ""
    admin = create_engine(make_url(dsn).set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            quoted = admin.dialect.identifier_preparer.quote_identifier(name)
            connection.execute(text(f"CREATE DATABASE {quoted}"))
    except DBAPIError as exc:
        if "already exists" not in str(exc):  # another process created it first
            raise DatabaseMissing(name) from exc

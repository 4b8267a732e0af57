"""Opens connections to the control database and the shard databases, once per process.

Every engine pools connections, checks a connection before use, limits statement time and sets its application name.
An unreachable server raises `DatabaseUnreachable` with a one-sentence message, never a driver's traceback.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from storage.config import PostgresConfig, RetentionConfig
from storage.errors import BackupError

#: Number of shard databases, on the control database's server, when no shard DSNs are set.
DEFAULT_SHARD_DATABASES = 2
#: JIT is off: with it, a page of 50 messages as of an earlier time takes 190 ms instead of 1 ms.
_OPTIONS = "-c timezone=UTC -c jit=off"


class DatabaseUnreachable(BackupError):
    """Postgres did not answer. Start it, or correct its DSN, and try again."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where, self.reason = where, reason

    def __str__(self) -> str:
        return (
            f"PostgreSQL at {self.where} cannot be reached ({self.reason}): start it, or correct "
            "GBM_POSTGRES__CONTROL_DSN or GBM_POSTGRES__SHARD_DSNS."
        )


class StatementTimedOut(DatabaseUnreachable):
    """A statement exceeded the time limit and was rolled back. Retry when the server is less busy."""

    def __str__(self) -> str:
        return (
            f"PostgreSQL at {self.where} cancelled a statement after GBM_POSTGRES__STATEMENT_TIMEOUT_S "
            f"({self.reason}): retry when the server is less busy, or raise the limit."
        )


class DatabaseReadOnly(DatabaseUnreachable):
    """The server is read-only: a standby, or a demoted primary. Name the primary."""

    def __str__(self) -> str:
        return (
            f"PostgreSQL at {self.where} is read-only ({self.reason}): wait until it is the primary, or name the "
            "primary in GBM_POSTGRES__CONTROL_DSN or GBM_POSTGRES__SHARD_DSNS."
        )


class LockTimedOut(DatabaseUnreachable):
    """Another transaction held a lock for too long; the statement had no effect. Retry."""

    def __str__(self) -> str:
        return (
            f"Another process held a lock in PostgreSQL at {self.where} for too long ({self.reason}): "
            "try again when it has finished."
        )


class InvalidDsn(BackupError):
    """The setting is not a postgresql:// URL. Correct it."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        self.setting = setting

    def __str__(self) -> str:
        return f"{self.setting} is not a URL of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE: correct it."


class DatabasesMisnamed(BackupError):
    """The DSNs do not match the databases that the cluster uses. Correct GBM_POSTGRES__SHARD_DSNS."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"The shard databases are misconfigured ({self.problem}): correct GBM_POSTGRES__SHARD_DSNS."


class ReplicasMisnamed(DatabasesMisnamed):
    """The replicas' DSNs do not match the databases. Correct the two settings that name replicas."""

    def __str__(self) -> str:
        return (
            f"The replicas are misconfigured ({self.problem}): correct GBM_POSTGRES__SHARD_REPLICA_DSNS or "
            "GBM_POSTGRES__CONTROL_REPLICA_DSNS."
        )


class Source(Protocol):
    """Begins transactions: an engine, or the router of storage/replication/routing.py, which chooses an engine."""

    @property
    def url(self) -> URL: ...

    def begin(self) -> AbstractContextManager[Connection]: ...


class Databases:
    """The control database and the shard databases, by index. Connects on first use."""

    def __init__(self, config: PostgresConfig, application: str = "gbm") -> None:
        """`config.control_dsn` must be set: the embedded server's when the operator set none."""
        if config.control_dsn is None:
            raise InvalidDsn("GBM_POSTGRES__CONTROL_DSN")
        self._config, self._application = config, application
        self._control_dsn = _checked(config.control_dsn.get_secret_value(), "GBM_POSTGRES__CONTROL_DSN")
        named = [_checked(dsn.get_secret_value(), "GBM_POSTGRES__SHARD_DSNS") for dsn in config.shard_dsns]
        self._shard_dsns = named or [_sibling(self._control_dsn, number) for number in range(DEFAULT_SHARD_DATABASES)]
        if len({self._control_dsn, *self._shard_dsns}) != 1 + len(self._shard_dsns):
            raise DatabasesMisnamed("the control database and the shard databases must be different databases")
        self._replica_dsns = [
            [_checked(dsn.get_secret_value(), "GBM_POSTGRES__SHARD_REPLICA_DSNS") for dsn in dsns]
            for dsns in config.shard_replica_dsns
        ]
        if self._replica_dsns and len(self._replica_dsns) != len(self._shard_dsns):
            raise ReplicasMisnamed(
                f"it has {len(self._replica_dsns)} lists for {len(self._shard_dsns)} shard databases; set one for each"
            )
        self._control_replica_dsns = [
            _checked(dsn.get_secret_value(), "GBM_POSTGRES__CONTROL_REPLICA_DSNS")
            for dsn in config.control_replica_dsns
        ]
        replicas = [dsn for dsns in [self._control_replica_dsns, *self._replica_dsns] for dsn in dsns]
        if len({*self.dsns(), *replicas}) != len(self.dsns()) + len(replicas):
            raise ReplicasMisnamed("a replica is listed twice, or is a primary")
        self._shards: dict[int, Engine] = {}

    @property
    def config(self) -> PostgresConfig:
        """The configuration of these databases."""
        return self._config

    def replica_dsns(self, index: int) -> list[str]:
        """The replicas of a shard database. Secret: the DSNs carry passwords."""
        return self._replica_dsns[index] if index < len(self._replica_dsns) else []

    def control_replica_dsns(self) -> list[str]:
        """The replicas of the control database. Secret: the DSNs carry passwords."""
        return self._control_replica_dsns

    def replica_engine(self, dsn: str) -> Engine:
        """A new engine of a replica. The caller, storage/replication/routing.py, disposes of it."""
        return self._engine(dsn)

    @property
    def shard_databases(self) -> int:
        """Number of shard databases; indexes start at 0."""
        return len(self._shard_dsns)

    @property
    def retention(self) -> RetentionConfig:
        """How long events, failure history and audit entries are kept."""
        return self._config.retention

    def dsns(self) -> list[str]:
        """Control first, then the shard databases in order. Secret: they carry passwords."""
        return [self._control_dsn, *self._shard_dsns]

    @cached_property
    def control(self) -> Engine:
        """The control database."""
        return self._engine(self._control_dsn)

    def shard_database(self, index: int) -> Engine:
        """One shard database.

        Raises:
            DatabasesMisnamed: no DSN is configured for this index.
        """
        if index >= len(self._shard_dsns):
            raise DatabasesMisnamed(f"shards live in database {index}, but it names only {len(self._shard_dsns)}")
        if index not in self._shards:
            self._shards[index] = self._engine(self._shard_dsns[index])
        return self._shards[index]

    def close(self) -> None:
        """Close every connection."""
        if "control" in self.__dict__:
            self.control.dispose()
        for engine in self._shards.values():
            engine.dispose()

    def _engine(self, dsn: str) -> Engine:
        return create_engine(
            dsn,
            poolclass=QueuePool,
            pool_size=self._config.pool_size,
            max_overflow=0,
            pool_timeout=self._config.statement_timeout_s,
            pool_pre_ping=True,
            use_native_hstore=False,  # no column has that type; to look for it costs four round trips a database
            hide_parameters=True,  # error texts reach logs; parameters may contain mail
            connect_args={
                "connect_timeout": self._config.connect_timeout_s,
                "application_name": self._application,
                "options": (
                    f"-c statement_timeout={int(self._config.statement_timeout_s * 1000)}"
                    f" -c idle_in_transaction_session_timeout={int(self._config.idle_in_transaction_timeout_s * 1000)}"
                    f" {_OPTIONS}"
                ),
            },
        )


#: By SQLSTATE: query_canceled, read_only_sql_transaction, lock_not_available.
_ERRORS: dict[str, type[DatabaseUnreachable]] = {
    "57014": StatementTimedOut,
    "25006": DatabaseReadOnly,
    "55P03": LockTimedOut,
}


@contextmanager
def transaction(engine: Source) -> Iterator[Connection]:
    """One transaction: commits at the end of the block, rolls back when the block raises.

    Raises:
        DatabaseUnreachable: no connection, or the connection was lost; a commit in progress may have taken effect.
        StatementTimedOut, DatabaseReadOnly, LockTimedOut: subclasses; the transaction had no effect.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InternalError, PoolTimeout) as exc:
        error = _ERRORS.get(_sqlstate(exc), DatabaseUnreachable)
        if isinstance(exc, InternalError) and error is DatabaseUnreachable:
            raise
        reason = str(getattr(exc, "orig", None) or exc).strip().splitlines()
        raise error(_where(engine), reason[0][:200] if reason else "no answer") from exc


def _sqlstate(exc: Exception) -> str:
    return str(getattr(exc.orig, "sqlstate", "")) if isinstance(exc, DBAPIError) else ""


def _where(engine: Source) -> str:
    url = engine.url
    host = url.host or url.query.get("host") or "localhost"
    return f"{host}:{url.port or 5432}/{url.database}"


def _checked(dsn: str, setting: str) -> str:
    try:
        url = make_url(dsn)
    except (ArgumentError, ValueError) as exc:
        raise InvalidDsn(setting) from exc
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise InvalidDsn(setting)
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _sibling(dsn: str, number: int) -> str:
    url = make_url(dsn)
    return url.set(database=f"{url.database}_shard{number}").render_as_string(hide_password=False)

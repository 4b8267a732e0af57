"""Waits for notifications of new events, and holds a lock of the whole cluster, on connections of their own. Blocking.

Notifications are only hints: one that is lost while a connection is down is made up for by polling.
"""

from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import make_url

from storage.db.engines import DatabaseUnreachable

_CHANNEL = "gbm_events"


class Session:
    """One autocommitted connection, opened on first use, and again after it was lost."""

    def __init__(self, dsn: str, application: str, connect_timeout_s: int = 5) -> None:
        """`dsn`: as `Databases.dsns` has it. Secret."""
        self._url = make_url(dsn)
        self._application, self._connect_timeout_s = application, connect_timeout_s
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which releases its lock."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def wait(self, timeout_s: float) -> bool:
        """Whether a transaction with events committed within a time.

        Raises:
            DatabaseUnreachable.
        """
        try:
            fresh = self._connection is None
            connection = self._open()
            if fresh:
                connection.execute(f"LISTEN {_CHANNEL}")
                return True  # there may have been events before
            return any(True for _ in connection.notifies(timeout=timeout_s, stop_after=1))
        except psycopg.Error as exc:
            raise self._lost(exc) from exc

    def try_lock(self, key: int) -> bool:
        """Take a lock until `close`, or until the connection is lost; False if another session has it.

        Raises:
            DatabaseUnreachable.
        """
        try:
            row = self._open().execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        except psycopg.Error as exc:
            raise self._lost(exc) from exc
        return row is not None and bool(row[0])

    def is_alive(self) -> bool:
        """Whether the connection that took the lock still exists."""
        if self._connection is None:
            return False
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self.close()
            return False
        return True

    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            dsn = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._connection = psycopg.connect(
                dsn, autocommit=True, connect_timeout=self._connect_timeout_s, application_name=self._application
            )
        return self._connection

    def _lost(self, exc: psycopg.Error) -> DatabaseUnreachable:
        self.close()
        where = f"{self._url.host or self._url.query.get('host')}:{self._url.port or 5432}/{self._url.database}"
        reason = str(exc).strip().splitlines() or ["no answer"]
        return DatabaseUnreachable(where, reason[0][:200])

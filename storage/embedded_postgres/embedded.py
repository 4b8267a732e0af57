"""An embedded PostgreSQL that runs while at least one process uses it.

Several processes of one user may use the same directory at once. Each holds a shared lock on `users.lock`; starts and
stops happen under the exclusive `lifecycle.lock`. The first process starts the server, the last one stops it. The
kernel releases the locks of a killed process; the next process takes over the running server, or recovers a server that
died with the killed process.
"""

import enum
import fcntl
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from storage.embedded_postgres import binaries, postmaster
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.errors import ServerUnreachable
from storage.embedded_postgres.layout import PORT, Layout

_LOG = logging.getLogger(__name__)
_POLL_S = 0.02


class _Answer(enum.Enum):
    READY = "ready"
    BUSY = "starting or stopping"
    NONE = "no server"


class EmbeddedPostgres:
    """The server of one directory, shared by all processes of one user.

    >>> with EmbeddedPostgres(home / "postgres") as server:
    ...     engine = create_engine(server.dsn("gbm_control"))
    """

    def __init__(self, directory: Path, config: EmbeddedConfig | None = None) -> None:
        """Store the configuration; files are touched by `start` only."""
        self._directory = Path(directory)
        self._config = config or EmbeddedConfig()
        self._layout: Layout | None = None
        self._users: int | None = None
        self._password = ""
        self._sockets = Path()

    def __repr__(self) -> str:
        state = "in use" if self._users is not None else "not in use"
        return f"EmbeddedPostgres({str(self._directory)!r}, {state})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start using the server; it accepts connections when this returns.

        Raises:
            BackupError: one of storage.embedded_postgres.errors, with the action to take.
        """
        if self._users is not None:
            return
        layout = Layout(self._directory, self._config.run_as)
        users = layout.open_file(layout.users_lock, os.O_RDWR)
        try:
            with _locked(layout):
                fcntl.flock(users, fcntl.LOCK_SH)
                if binaries.data_major(layout.data) is None:
                    postmaster.initialise(layout, self._binaries(layout))
                self._password = layout.password()
                self._bring_up(layout)
        except BaseException:
            os.close(users)
            raise
        self._layout, self._users = layout, users

    def close(self) -> None:
        """Stop using the server; the last user stops it and waits until it has ended. Idempotent."""
        layout, users = self._layout, self._users
        if layout is None or users is None:
            return
        self._layout = self._users = None
        try:
            with _locked(layout):
                if not _last_one(users):
                    return
                process = postmaster.running(layout.data)
                if process is not None and not postmaster.stop(process, self._config.stop_timeout_s):
                    _LOG.warning(
                        "PostgreSQL in %s was stopped immediately; it will recover at its next start.",
                        layout.directory,
                    )
        finally:
            os.close(users)

    def dsn(self, database: str) -> str:
        """The URL of a database, for psycopg and SQLAlchemy. It contains the password: never log it."""
        user, password = postmaster.SUPERUSER, quote(self._password, safe="")
        host = quote(str(self._sockets), safe="")
        return f"postgresql://{user}:{password}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def _bring_up(self, layout: Layout) -> None:
        """Take over the running server, or start one; wait until it answers. The caller holds lifecycle.lock."""
        deadline = time.monotonic() + self._config.start_timeout_s
        child: subprocess.Popen[bytes] | None = None
        while True:
            answer, reason = self._probe(layout)
            if answer is _Answer.READY:
                return
            if child is not None and child.poll() is not None:
                raise self._unreachable(layout, layout.last_log_line())
            if time.monotonic() > deadline:
                waited = f"no answer within {self._config.start_timeout_s:g} s ({reason})"
                raise self._unreachable(layout, f"{waited}; its last message: {layout.last_log_line()}")
            if child is None and answer is _Answer.NONE and postmaster.running(layout.data) is None:
                sockets = layout.socket_directory()
                child = postmaster.start(layout, self._binaries(layout), self._config, sockets)
            time.sleep(_POLL_S)

    def _binaries(self, layout: Layout) -> binaries.Binaries:
        installation = binaries.find(self._config, layout.data)
        return binaries.reachable(installation, layout.account, layout.directory)

    def _probe(self, layout: Layout) -> tuple[_Answer, str]:
        """Connect to the server: only an answer over its socket proves that it runs."""
        sockets = postmaster.socket_directory(layout.data)
        if sockets is None:
            return _Answer.NONE, "it has not recorded its socket"
        self._sockets = sockets
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as exc:
            reason = str(exc).strip().splitlines()[-1]
            if "password authentication failed" in reason:
                raise self._unreachable(layout, f"it refuses the password in {layout.password_file}") from exc
            # libpq reports a refusal during the handshake without its SQLSTATE (57P03), only by its text.
            busy = any(word in reason for word in ("starting up", "shutting down", "recovery", "too many clients"))
            return (_Answer.BUSY if busy else _Answer.NONE), reason
        return _Answer.READY, ""

    @staticmethod
    def _unreachable(layout: Layout, reason: str) -> ServerUnreachable:
        return ServerUnreachable(str(layout.directory), reason, str(layout.log))


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """Exclude other processes from starting or stopping the server of this directory."""
    descriptor = layout.open_file(layout.lifecycle_lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _last_one(users: int) -> bool:
    """Whether no other process holds the shared lock. If one does, our lock is lost, but we are leaving anyway."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""Processes that use an embedded PostgreSQL, and what is left of its server."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.embedded_postgres import binaries, postmaster
from storage.embedded_postgres.account import Account, for_server
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.errors import (
    BinariesMissing,
)

ROOT = Path(__file__).parents[3]
# Uses the server until its standard input ends.
HOLDER = """
import sys
from pathlib import Path
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.errors import BackupError
try:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.dsn("postgres"), flush=True)
        sys.stdin.read()
except BackupError as exc:
    print(type(exc).__name__, exc, flush=True)
"""


class Holder:
    """Another process that uses the server of a directory."""

    def __init__(self, directory: Path, user: str | None = None) -> None:
        account = for_server(Path("/nonexistent"), user) if user else None
        self.process = subprocess.Popen(
            [interpreter(account), "-B", "-c", HOLDER, str(directory)],
            cwd="/",
            env={"PYTHONPATH": f"{ROOT}:{Path(psycopg.__file__).parents[1]}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    def said(self) -> str:
        """The DSN once the server answers, or the name and text of the error."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)
        self._close()

    def _close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


def interpreter(account: Account | None) -> Path:
    """Our Python, or the machine's of the same version where ours is closed to the account."""
    ours = Path(sys.executable)
    if account is None or account.first_closed(ours) is None:
        return ours
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    return Path(system) if system else ours


def one(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def postmaster_of(directory: Path) -> psutil.Process | None:
    return postmaster.running((directory / "data").resolve())


def tree(directory: Path) -> list[psutil.Process]:
    server = postmaster_of(directory)
    assert server is not None
    return [server, *server.children(recursive=True)]


def config_of(source: str) -> EmbeddedConfig:
    config = EmbeddedConfig.model_validate({"source": source})
    try:
        binaries.find(config, Path("/nonexistent"))
    except BinariesMissing:
        pytest.skip(f"no PostgreSQL from source {source!r}")
    return config

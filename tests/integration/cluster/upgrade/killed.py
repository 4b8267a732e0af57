"""Upgrades that are killed at a chosen statement: `python -m tests.integration.cluster.upgrade.killed MIGRATIONS`.

Reads a line of JSON for each: {"home": ..., "control": DSN, "shards": [DSN, ...], "at": N}. Forks a process that opens
the home as the later release and sends itself SIGKILL before its N-th statement or commit, counted from the first that
an upgrade makes. Answers a line: the process's wait status, 9 where it was killed and 0 where it ended before.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import alembic.command  # here, and not in each process that is forked
import alembic.config
from pydantic import SecretStr
from sqlalchemy import Engine, event

from cluster.home import Home
from cluster.settings import load
from cluster.upgrade.upgrade import upgrading
from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases
from tests.planted_migrations import use


def _upgrade(asked: dict[str, Any]) -> None:
    postgres = PostgresConfig(
        control_dsn=SecretStr(asked["control"]), shard_dsns=tuple(SecretStr(dsn) for dsn in asked["shards"])
    )
    settings = load(home=Path(asked["home"]), postgres=postgres)
    left = asked["at"]

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    databases = Databases(postgres)
    with upgrading(settings, Home(settings.home), databases, lambda _: None):
        migrate.upgrade(databases, 2)
    databases.close()


def main() -> None:
    """Serve until standard input ends."""
    assert alembic.command and alembic.config
    use(Path(sys.argv[1]))
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            code = 1
            try:
                _upgrade(json.loads(line))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(os.waitpid(process, 0)[1], flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()

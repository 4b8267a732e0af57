"""`gbm bench upgrade`: cost of the copy before an upgrade, and of each migration, on a large shard database.

The database is created with the schema of the first release, or an older one, filled, and migrated step by step, in a
separate embedded server. storage/db/migration_cost.py has the figures.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine

from cluster.bench.home import private_home
from cluster.settings import Settings
from cluster.stores import open_stores
from storage.db import migrate
from storage.db.engines import transaction
from storage.db.migration_cost import FIRST_RELEASE
from storage.db.sql_files import query
from storage.recovery.dump import back_up

_USERS = 100


@dataclass(frozen=True, slots=True)
class UpgradeFigure:
    """Seconds of one step: "copy", or a migration's revision."""

    step: str
    seconds: float
    messages: int

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def bench_upgrade(settings: Settings, messages: int, since: str = FIRST_RELEASE) -> list[UpgradeFigure]:
    """Migrate a shard database with `messages` messages from the schema `since` to the newest.

    Raises:
        BackupError.
    """
    with private_home(settings) as settings, open_stores(settings) as stores:
        engine = stores.databases.shard_database(0)
        with transaction(engine) as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            migrate.remake(connection, "shard", since)
            connection.execute(query("bench/first_messages"), {"messages": messages, "users": _USERS})
            connection.exec_driver_sql("ANALYZE")
        figures = [
            UpgradeFigure(revision, _timed(engine, revision), messages)
            for revision in migrate.revisions_after("shard", since)
        ]
        began = time.perf_counter()
        back_up(stores.databases, Path(settings.home) / "copy")
        return [*figures, UpgradeFigure("copy", time.perf_counter() - began, messages)]


def _timed(engine: Engine, revision: str) -> float:
    began = time.perf_counter()
    with transaction(engine) as connection:
        migrate.migrate_to(connection, "shard", revision)
    return time.perf_counter() - began

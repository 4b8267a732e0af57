"""Estimates the duration of pending migrations from measurements.

A migration's cost is in seconds per million messages of the database. A migration that is not in the table is assumed
to rewrite the message index once. Measured 2026-11 by `gbm bench upgrade` with 1,000,000 messages on 2 shared cores:
from 0012 on, and the copy, at load 8; up to 0011 at load 12, on tables that 0003 had rewritten. Databases of 0.1.0 are
at 0011: only backups from before that release need the older ones.
"""

from dataclasses import dataclass

from sqlalchemy import Engine

from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query

#: Seconds per million messages, by schema and revision.
MEASURED_S: dict[tuple[str, str], float] = {
    ("shard", "0002"): 0.1,
    ("shard", "0003"): 111.0,
    ("shard", "0004"): 0.5,
    ("shard", "0005"): 0.5,
    ("shard", "0006"): 0.7,
    ("shard", "0007"): 15.7,
    ("shard", "0008"): 0.4,
    ("shard", "0009"): 8.1,
    ("shard", "0010"): 0.2,
    ("shard", "0011"): 92.6,
    ("shard", "0012"): 0.2,
    ("shard", "0013"): 0.1,
    ("shard", "0014"): 0.1,
    ("shard", "0015"): 0.1,
    ("shard", "0016"): 0.1,
}
#: Of a migration that was not measured: about a third of 0003, which reads the message index three times.
UNKNOWN_S = 40.0
#: Of the backup before the first migration, per million messages.
COPY_S = 8.5
#: Revision of the shard databases of 0.1.0, the first release.
FIRST_RELEASE = "0011"
#: Of a migration of an empty database: its statements and the commit.
_LEAST_S = 0.05


@dataclass(frozen=True, slots=True)
class PendingMigrations:
    """The pending migrations of one database.

    name: "control", "shard0", ... revision: None: the database is empty. seconds: estimated duration.
    """

    name: str
    revision: str | None
    newest: str
    steps: tuple[str, ...]
    messages: int
    seconds: float


def pending(databases: Databases) -> list[PendingMigrations]:
    """The pending migrations of every database, control first. Read-only.

    Raises:
        DatabaseUnreachable.
    """
    newest = migrate.newest_revisions()
    results = []
    for name, revision in migrate.revisions(databases).items():
        kind: migrate.Schema = "control" if name == "control" else "shard"
        steps = tuple(migrate.revisions_after(kind, revision))
        messages = 0
        if revision is not None and kind == "shard":
            messages = _messages(databases.shard_database(int(name.removeprefix("shard"))))
        seconds = sum(_LEAST_S + seconds_per_million(kind, step) * messages / 1e6 for step in steps)
        results.append(PendingMigrations(name, revision, newest[kind], steps, messages, seconds))
    return results


def seconds_per_million(kind: str, revision: str) -> float:
    """Seconds that a migration takes per million messages."""
    return 0.0 if kind == "control" else MEASURED_S.get((kind, revision), UNKNOWN_S)


def _messages(engine: Engine) -> int:
    with transaction(engine) as connection:
        return int(connection.execute(query("messages_estimate")).scalar_one())

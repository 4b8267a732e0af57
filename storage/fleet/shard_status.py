"""The contents of every shard and the state of every mailbox, gathered from the shard databases. Blocking.

Reads every mailbox of the cluster: for operators only.
"""

from collections.abc import Mapping
from typing import Any

from storage.db.engines import Databases, transaction
from storage.db.sql_files import query


def shards(databases: Databases, shard_databases: Mapping[int, int]) -> list[dict[str, Any]]:
    """Every shard, by number: its owner and contents (sql/postgres/shard_overview.sql).

    Args:
        shard_databases: shard -> the index of its database (`Control.shards`).
    """
    rows = _ask(databases, shard_databases, "shard_overview")
    return sorted(rows, key=lambda shard: int(shard["shard_id"]))


def mailboxes(databases: Databases, shard_databases: Mapping[int, int]) -> list[dict[str, Any]]:
    """Every mailbox, by address (sql/postgres/mailbox_overview.sql)."""
    return sorted(_ask(databases, shard_databases, "mailbox_overview"), key=lambda mailbox: str(mailbox["email"]))


def phases(databases: Databases, shard_databases: Mapping[int, int]) -> list[dict[str, Any]]:
    """Mailboxes by shard and phase: how many, failed messages, longest lag (sql/postgres/mailbox_phases.sql)."""
    return _ask(databases, shard_databases, "mailbox_phases")


def _ask(databases: Databases, shard_databases: Mapping[int, int], question: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for database in range(databases.shard_databases):
        numbers = [shard_id for shard_id, index in shard_databases.items() if index == database]
        with transaction(databases.shard_database(database)) as connection:
            result = connection.execute(query(question), {"shard_ids": numbers})
            rows += [{"database": database, **row._mapping} for row in result]
    return rows

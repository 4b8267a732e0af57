"""Totals over the mail of all users, for operators; no number is of a single message or user.

Blocking: call it from a thread.
"""

from collections.abc import Mapping
from typing import Any

from storage.db.engines import Databases, transaction
from storage.db.sql_files import duckdb_sql, query
from storage.files import duckdb_engine
from storage.files.blobs import LocalBlobs
from storage.mailbox.segment_files import retry_on_missing_file
from storage.segments.file_names import PARQUET_SUFFIX


class FleetSenders:
    """Queries the Parquet files of all shards."""

    def __init__(self, databases: Databases, blobs: LocalBlobs) -> None:
        self._databases, self._blobs = databases, blobs

    def top_senders(self, limit: int) -> list[dict[str, Any]]:
        """{sender, messages, size_bytes}, most messages first.

        Raises:
            FileDamaged, DatabaseUnreachable.
        """
        return self._ask("top_senders_all", {"limit": limit})

    def timeline(self) -> list[dict[str, Any]]:
        """{month, messages, size_bytes}, oldest first. Raises as `top_senders`."""
        return self._ask("timeline_all", {})

    def _ask(self, question: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            files = self._files()
            return duckdb_engine.ask(duckdb_sql(question), files, values).to_pylist() if files else []

        return retry_on_missing_file(ask)

    def _files(self) -> list[str]:
        files: list[str] = []
        for database in range(self._databases.shard_databases):
            with transaction(self._databases.shard_database(database)) as connection:
                names = connection.execute(query("segments_all")).all()
                files += [self._blobs.location(row.name + PARQUET_SUFFIX) for row in names]
        return files

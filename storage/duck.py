"""DuckDB over the archive's Parquet files: one database per process, one cursor per question, no extensions.

It may read files and nothing else: extensions neither install nor load, settings are locked.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from storage.blobs import FileDamaged

#: What one process's queries may use together.
_MEMORY_LIMIT = "1GB"
_THREADS = 2


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": _MEMORY_LIMIT,
            "threads": _THREADS,
            "lock_configuration": True,
        },
    )


def ask(statement: str, files: Sequence[str], parameters: Mapping[str, object]) -> pa.Table:
    """The answer of one question over Parquet files, as Arrow. Safe from any thread.

    Args:
        statement: DuckDB SQL that reads `$files`.
        files: at least one.

    Raises:
        FileDamaged: a file is missing or not Parquet.
    """
    with _database().cursor() as cursor:
        try:
            relation = cursor.sql(statement, params={**parameters, "files": list(files)})
            return relation.to_arrow_table()
        except (duckdb.IOException, duckdb.InvalidInputException) as exc:
            named = [name for name in files if name in str(exc)]
            raise FileDamaged(named[0] if named else files[0], str(exc).splitlines()[0][:200]) from exc


def rows(statement: str, files: Sequence[str], parameters: Mapping[str, object]) -> list[dict[str, Any]]:
    """Like `ask`, as dictionaries; no files, no rows."""
    return ask(statement, files, parameters).to_pylist() if files else []

"""DuckDB over the archive's Parquet files: one database per process, one cursor per query.

DuckDB can read files only: extensions are neither installed nor loaded, and settings are locked.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage.files import bounded_table
from storage.files.blobs import FileDamaged, FileMissing
from storage.files.file_format import number_of_parquet, require_known
from storage.model.schemas import MESSAGES

#: Resources that all queries of one process share.
_MEMORY_LIMIT = "512MB"
_THREADS = 2
_BATCH_ROWS = 10_000
#: Errors of DuckDB. UnicodeDecodeError and the like occur when its message quotes bytes of a damaged file.
_FAILURES = (duckdb.Error, UnicodeDecodeError, RuntimeError)
_WHOLE = "SELECT * FROM read_parquet($file, hive_partitioning = false)"


@cache
def _database() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": _MEMORY_LIMIT,
            "threads": _THREADS,
        },
    )
    database.execute("SET GLOBAL TimeZone = 'UTC'")  # not the machine's time zone
    database.execute("SET lock_configuration = true")
    return database


def ask(
    statement: str,
    files: Sequence[str],
    parameters: Mapping[str, object],
    tables: Mapping[str, pa.Table] | None = None,
    most_bytes: int | None = None,
) -> pa.Table:
    """Run one query over Parquet files; return the result as Arrow. Safe from any thread.

    Args:
        statement: DuckDB SQL that reads `$files`.
        files: at least one, unless the statement does not read `$files`.
        tables: other tables that the statement reads, by name.
        most_bytes: limit of the result; DuckDB's own memory limit does not cover returned batches.

    Raises:
        FileDamaged: a file is missing or corrupt.
        TableTooLarge.
    """
    with _database().cursor() as cursor:
        try:
            for name, table in (tables or {}).items():
                cursor.register(name, table)
            relation = cursor.sql(statement, params={**parameters, "files": list(files)} if files else dict(parameters))
            if most_bytes is None:
                return relation.to_arrow_table()
            reader = relation.to_arrow_reader(_BATCH_ROWS)
            return bounded_table.whole(reader, reader.schema, most_bytes)
        except _FAILURES:
            # DuckDB reports a damaged file with a dozen error classes and seldom names the file.
            if missing := [file for file in files if not Path(file).exists()]:
                raise FileMissing(missing[0], "it is missing") from None
            for file in files:
                _check(file)
            raise  # the files are intact, so the statement failed


def _check(file: str) -> None:
    """Read a whole file with DuckDB, then with pyarrow, which verifies the checksums of the pages."""
    if not Path(file).exists():
        raise FileMissing(file, "it is missing")
    try:
        with _database().cursor() as cursor:
            reader = cursor.sql(_WHOLE, params={"file": file}).to_arrow_reader()
            types = reader.schema
            for _ in reader:
                pass
        with pa.OSFile(file) as source:
            parquet = pq.ParquetFile(source, page_checksum_verification=True)
            require_known(file, "messages", number_of_parquet(parquet.metadata.metadata))
            for group in range(parquet.num_row_groups):
                parquet.read_row_group(group)
            columns = parquet.schema_arrow.names
    except (duckdb.OutOfMemoryException, MemoryError):
        raise
    except (*_FAILURES, pa.ArrowException, OSError) as exc:
        raise FileDamaged(file, "it is not the Parquet that was written") from exc
    if missing := [name for name in MESSAGES.names if name not in columns]:
        raise FileDamaged(file, f"it has no column {missing[0]}")
    # The footer has no checksum: a list that reads as a structure shows only beside other files.
    lists = [field.name for field in MESSAGES if pa.types.is_list(field.type)]
    if changed := [name for name in lists if not pa.types.is_list(types.field(name).type)]:
        raise FileDamaged(file, f"its column {changed[0]} is no list")

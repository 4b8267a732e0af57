"""The recorded SHA-256 of the archive's files: what `gbm verify` compares them with."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Engine

from storage.db.engines import transaction
from storage.db.sql_files import query
from storage.model.records import FileDigest

#: Files per query.
_NAMES = 1000


def record_digests(
    connection: Connection, shard_id: int, digests: Iterable[FileDigest], as_written: bool = True
) -> None:
    """Record digests of new files, in the transaction that makes the files visible.

    Args:
        as_written: False: they were taken of files that had been there before.
    """
    files = list(digests)
    if not files:
        return
    connection.execute(
        query("file_digests_insert"),
        {
            "shard_id": shard_id,
            "file_names": [file.name for file in files],
            "sizes": [file.size_bytes for file in files],
            "digests": [file.sha256 for file in files],
            "as_written": as_written,
        },
    )


def recorded_digests(engine: Engine, names: Sequence[str]) -> dict[str, FileDigest]:
    """The recorded digests of those of the files that have one, by name."""
    found = {}
    with transaction(engine) as connection:
        for start in range(0, len(names), _NAMES):
            values = {"file_names": list(names[start : start + _NAMES])}
            for row in connection.execute(query("file_digests"), values):
                found[row.name] = FileDigest(row.name, row.size_bytes, bytes(row.sha256))
    return found

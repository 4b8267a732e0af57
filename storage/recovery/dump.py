"""A copy of the databases in a folder, and back. Rows only, by COPY: every PostgreSQL takes them, without pg_dump.

    manifest.json              format, when; per database: revision, WAL position, tables with columns, rows, SHA-256
    control/TABLE.copy.zst     PostgreSQL's binary COPY format, zstd
    shard0/TABLE.copy.zst

Each database is read in one snapshot, the shards' before the control database: a user who is added meanwhile is then
one without a mailbox, which is opened on first use; never a mailbox without its user, whose id a new user would get.
The folder appears under its name when it is whole. It holds sealed secrets, so it is its owner's alone; the key that
opens them is not in it. Blocking.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import zstandard
from sqlalchemy import Connection, Engine, text

from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError

_LOG = logging.getLogger(__name__)
FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20

#: (database, table, tables done, tables in all)
Tell = Callable[[str, str, int, int], None]


class BackupUnusable(BackupError):
    """The folder is not a whole backup that this version can restore. Name another."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"The backup {self.path} cannot be used: {self.reason}; name another."


@dataclass(frozen=True, slots=True)
class Dumped:
    """What a backup holds. taken_at: when its first snapshot was taken."""

    path: Path
    taken_at: datetime
    rows: int
    stored_bytes: int


def back_up(databases: Databases, path: Path, tell: Tell | None = None, facts: dict[str, Any] | None = None) -> Dumped:
    """Write every database into a new folder. facts: more members of the manifest, for whoever reads it.

    Raises:
        BackupUnusable: the folder exists, or cannot be written.
    """
    if path.exists():
        raise BackupUnusable(str(path), "it exists already")
    taken_at = datetime.now(UTC)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fresh.mkdir(mode=0o700, parents=True)
        found = {
            name: _dump(engine, name, fresh / name, tell or (lambda *_: None)) for name, engine in _order(databases)
        }
        document = {**(facts or {}), "format": FORMAT, "taken_at": taken_at.isoformat(), "databases": found}
        _write(fresh / MANIFEST, [orjson.dumps(document, option=orjson.OPT_INDENT_2)])
        _sync(fresh)
        fresh.rename(path)
        _sync(path.parent)
    except OSError as exc:
        raise BackupUnusable(str(path), exc.strerror or str(exc)) from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    tables = [table for database in found.values() for table in database["tables"]]
    return Dumped(path, taken_at, sum(t["rows"] for t in tables), sum(t["stored_bytes"] for t in tables))


def read_manifest(path: Path) -> dict[str, Any]:
    """A backup's manifest, after every file's SHA-256 was found right.

    Raises:
        BackupUnusable.
    """
    try:
        document: dict[str, Any] = orjson.loads((path / MANIFEST).read_bytes())
        if document["format"] != FORMAT:
            raise BackupUnusable(str(path), f"it is of format {document['format']}, which this program does not know")
        for database in document["databases"].values():
            for table in database["tables"]:
                with (path / table["file"]).open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != table["sha256"]:
                        raise BackupUnusable(str(path), f"{table['file']} is damaged")
    except (OSError, ValueError, KeyError) as exc:
        raise BackupUnusable(str(path), f"it is not whole ({type(exc).__name__}: {exc})") from exc
    return document


def restore(databases: Databases, path: Path, tell: Tell | None = None, keep_revision: bool = False) -> dict[str, Any]:
    """Put a backup's rows in the place of whatever the databases hold; returns its manifest.

    A backup of an older version is migrated: its rows go into the schema that they were taken from, which is then
    brought up to date. Each database is one transaction. The archive may be newer than the backup: no owner can begin
    before storage/recovery/rebuild.py has taken in what is only there.

    Args:
        keep_revision: leave the schemas as the backup has them, for the older version to go on with.

    Raises:
        BackupUnusable: it is damaged, or of other databases, or of a newer version. Nothing was changed.
    """
    document, here = read_manifest(path), dict(_order(databases))
    _require_restorable(document, path, here)
    for name, engine in here.items():
        dumped = document["databases"][name]
        with transaction(engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            if _revision(connection) != dumped["revision"]:
                migrate.remake(connection, _schema_of(name), dumped["revision"])
            _fill(connection, name, dumped, path, tell or (lambda *_: None))
            if not keep_revision:
                migrate.bring_to_newest(connection, _schema_of(name), name, _LOG.info)
            if name != "control":  # until storage/rebuild.py has taken in what is newer
                known = list(connection.execute(query("shards_known")).scalars())
                connection.execute(query("lease_close"), {"shard_ids": known})
    return document


def _require_restorable(document: dict[str, Any], path: Path, here: dict[str, Engine]) -> None:
    if here.keys() != document["databases"].keys():
        named = len(document["databases"]) - 1
        raise BackupUnusable(str(path), f"it is of {named} shard databases, but {len(here) - 1} are configured")
    newest = migrate.newest_revisions()
    for name, database in document["databases"].items():
        theirs, ours = database["revision"], newest[_schema_of(name)]
        if migrate.is_newer(_schema_of(name), theirs):
            raise BackupUnusable(
                str(path), f"its {name} database is of revision {theirs}, newer than this program's {ours}"
            )


def _schema_of(name: str) -> migrate.Schema:
    return "control" if name == "control" else "shard"


def clear(databases: Databases) -> None:
    """Lose every row of every database. The schemas stay."""
    for _, engine in _order(databases):
        with transaction(engine) as connection:
            connection.execute(text(f"TRUNCATE {_listed(_tables(connection))} RESTART IDENTITY"))


def _listed(tables: list[tuple[str, list[str]]]) -> str:
    return ", ".join(f'"{table}"' for table, _ in tables)


def _order(databases: Databases) -> list[tuple[str, Engine]]:
    """The control database comes last: see above."""
    shards = [(f"shard{index}", databases.shard_database(index)) for index in range(databases.shard_databases)]
    return [*shards, ("control", databases.control)]


def _dump(engine: Engine, name: str, folder: Path, tell: Tell) -> dict[str, Any]:
    folder.mkdir(mode=0o700)
    with transaction(engine) as connection:
        connection.execute(query("one_snapshot"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        facts = connection.execute(query("dump_facts")).one()
        tables = _tables(connection)
        found = []
        for number, (table, columns) in enumerate(tables):
            tell(name, table, number, len(tables))
            found.append(_copy_out(connection, name, table, columns, folder))
        # After the rows: what was given out meanwhile counts as used.
        sequences = {row.sequence: row.last for row in connection.execute(query("dump_sequences"))}
    return {
        "sequences": sequences,
        "revision": facts.revision,
        "server": facts.server,
        "wal_lsn": facts.wal_lsn,
        "snapshot": facts.snapshot,
        "tables": found,
    }


def _copy_out(connection: Connection, name: str, table: str, columns: list[str], folder: Path) -> dict[str, Any]:
    path = folder / f"{table}.copy.zst"
    listed = ", ".join(f'"{column}"' for column in columns)
    statement = f'COPY (SELECT {listed} FROM "{table}") TO STDOUT (FORMAT BINARY)'  # noqa: S608 - our own names
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()

        def chunks() -> Iterator[bytes]:
            with cursor.copy(statement) as copy:
                for data in copy:
                    yield compressor.compress(bytes(data))
            yield compressor.flush()

        digest, size = _write(path, chunks())
        rows = cursor.rowcount
    file = f"{name}/{path.name}"
    return {"table": table, "columns": columns, "rows": rows, "file": file, "sha256": digest, "stored_bytes": size}


def _fill(connection: Connection, name: str, dumped: dict[str, Any], path: Path, tell: Tell) -> None:
    tables, given_out = dumped["tables"], dumped.get("sequences", {})  # a backup of an earlier release has none
    here = dict(_tables(connection))
    for table in tables:
        if sorted(here.get(table["table"], [])) != sorted(table["columns"]):
            raise BackupUnusable(str(path), f"the table {table['table']} of its {name} database has other columns")
    connection.execute(text(f"TRUNCATE {_listed(_tables(connection))} RESTART IDENTITY"))
    by_name = {table["table"]: table for table in tables}
    driver = connection.connection.driver_connection
    assert driver is not None
    for number, table_name in enumerate(_parents_first(connection, list(by_name))):
        tell(name, table_name, number, len(by_name))
        table = by_name[table_name]
        listed = ", ".join(f'"{column}"' for column in table["columns"])
        with (path / table["file"]).open("rb") as file, driver.cursor() as cursor:
            with cursor.copy(f'COPY "{table_name}" ({listed}) FROM STDIN (FORMAT BINARY)') as copy:
                reader = zstandard.ZstdDecompressor().stream_reader(file)
                while data := reader.read(_CHUNK):
                    copy.write(data)
            if cursor.rowcount != table["rows"]:
                raise BackupUnusable(str(path), f"{table['file']} holds {cursor.rowcount} rows, not {table['rows']}")
    for sequence, _, table_name, column in connection.execute(query("dump_sequences")).all():
        # Not the largest id that is there: an id whose row is gone is known to whoever read it.
        last = f'greatest((SELECT max("{column}") FROM "{table_name}"), CAST(:given_out AS bigint))'  # noqa: S608
        statement = f"SELECT setval(CAST(:sequence AS regclass), {last}) WHERE {last} IS NOT NULL"
        connection.execute(text(statement), {"sequence": sequence, "given_out": given_out.get(sequence)})


def _tables(connection: Connection) -> list[tuple[str, list[str]]]:
    return [(row.table, list(row.columns)) for row in connection.execute(query("dump_tables"))]


def _parents_first(connection: Connection, tables: list[str]) -> list[str]:
    """The tables, each after those that its rows refer to."""
    parents: dict[str, set[str]] = {table: set() for table in tables}
    for child, parent in connection.execute(query("dump_references")).all():
        if child in parents and child != parent:
            parents[child].add(parent)
    done: list[str] = []
    while len(done) < len(tables):
        ready = [table for table in tables if table not in done and parents[table] <= {*done}]
        assert ready, "tables refer to one another in a circle"
        done += ready
    return done


def _revision(connection: Connection) -> str | None:
    if connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _write(path: Path, chunks: Any) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with _private(path) as file:
        for chunk in chunks:
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size


@contextmanager
def _private(path: Path) -> Iterator[Any]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        yield file


def _sync(folder: Path) -> None:
    for place in [folder, *(found for found in folder.iterdir() if found.is_dir() and folder.suffix == ".part")]:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

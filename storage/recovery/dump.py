"""Dumps the databases into a folder and restores them. Rows only, by COPY: any PostgreSQL works, without pg_dump.

    manifest.json              format, time; per database: revision, WAL position, tables with columns, rows, SHA-256
    control/TABLE.copy.zst     PostgreSQL's binary COPY format, zstd
    shard0/TABLE.copy.zst

Each database is read in one snapshot, the shard databases before the control database. A user added meanwhile then has
no mailbox, which is created on first use; the opposite, a mailbox without its user, would give its id to a new user.
The folder gets its name when it is complete. It contains sealed secrets, so only its owner may read it; the key that
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
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.db.restricted_role import rows_only
from storage.db.sql_files import query
from storage.recovery.backup_manifest import FORMAT, MANIFEST, BackupUnusable, file_of, read_manifest, shown
from storage.segments.file_names import is_recorded_name

_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 20
#: A table's rows take no more bytes than this, and so many times the bytes of its file.
_MOST_INFLATED_BYTES, _MOST_INFLATION = 64 << 20, 1000

#: (database, table, tables done, tables in total)
Tell = Callable[[str, str, int, int], None]


@dataclass(frozen=True, slots=True)
class Dumped:
    """Contents of a backup. taken_at: time of its first snapshot."""

    path: Path
    taken_at: datetime
    rows: int
    stored_bytes: int


def back_up(databases: Databases, path: Path, tell: Tell | None = None, facts: dict[str, Any] | None = None) -> Dumped:
    """Write every database into a new folder. facts: further members of the manifest.

    Raises:
        BackupUnusable: the folder exists, or cannot be written.
    """
    if path.exists():
        raise BackupUnusable(str(path), "it already exists")
    taken_at = datetime.now(UTC)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fresh.mkdir(mode=0o700, parents=True)
        dumped = {
            name: _dump(engine, name, fresh / name, tell or (lambda *_: None)) for name, engine in _order(databases)
        }
        document = {**(facts or {}), "format": FORMAT, "taken_at": taken_at.isoformat(), "databases": dumped}
        _write(fresh / MANIFEST, [orjson.dumps(document, option=orjson.OPT_INDENT_2)])
        _sync(fresh)
        fresh.rename(path)
        _sync(path.parent)
    except OSError as exc:
        raise BackupUnusable(str(path), exc.strerror or str(exc)) from exc
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    tables = [table for database in dumped.values() for table in database["tables"]]
    return Dumped(path, taken_at, sum(t["rows"] for t in tables), sum(t["stored_bytes"] for t in tables))


def restore(databases: Databases, path: Path, tell: Tell | None = None, keep_revision: bool = False) -> dict[str, Any]:
    """Replace all rows of the databases by a backup's; return its manifest.

    A backup of an older version is migrated: its rows are loaded into the schema that they came from, which is then
    upgraded. Each database is one transaction. The archive may be newer than the backup: no owner can start before
    storage/recovery/rebuild.py has imported the newer segments.

    Args:
        keep_revision: keep the backup's schemas, for the older version to continue with.

    Raises:
        BackupUnusable: the backup is damaged, of other databases, or of a newer version. Nothing was changed.
    """
    document, here = read_manifest(path), dict(_order(databases))
    _require_restorable(document, path, here)
    # The control database comes last: a shard's contents may still be refused, and each database has a transaction.
    for name, engine in sorted(here.items(), key=lambda item: item[0] == "control"):
        dumped = document["databases"][name]
        with transaction(engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            if _revision(connection) != dumped["revision"]:
                migrate.remake(connection, _schema_of(name), dumped["revision"])
            _fill(connection, name, dumped, path, tell or (lambda *_: None))
            if name != "control":
                _require_names(connection, name, path)
            if not keep_revision:
                migrate.bring_to_newest(connection, _schema_of(name), name, _LOG.info)
            if name != "control":  # until storage/recovery/rebuild.py has imported newer segments
                known = list(connection.execute(query("shards_known")).scalars())
                connection.execute(query("lease_close"), {"shard_ids": known})
    return document


def _require_restorable(document: dict[str, Any], path: Path, here: dict[str, Engine]) -> None:
    if here.keys() != document["databases"].keys():
        named = len(document["databases"]) - 1
        raise BackupUnusable(str(path), f"it has {named} shard databases, but {len(here) - 1} are configured")
    newest = migrate.newest_revisions()
    for name, database in document["databases"].items():
        theirs, ours = database["revision"], newest[_schema_of(name)]
        if migrate.is_newer(_schema_of(name), theirs):
            raise BackupUnusable(
                str(path), f"its {name} database has the revision {theirs}, newer than this release's {ours}"
            )
        if theirs not in migrate.revisions_after(_schema_of(name), None):
            raise BackupUnusable(str(path), f"its {name} database has the revision {theirs}, which no release had")


def _schema_of(name: str) -> migrate.Schema:
    return "control" if name == "control" else "shard"


def clear(databases: Databases) -> None:
    """Delete every row of every database. The schemas stay."""
    for _, engine in _order(databases):
        with transaction(engine) as connection:
            connection.execute(text(f"TRUNCATE {_listed(_tables(connection))} RESTART IDENTITY"))


def _listed(tables: list[tuple[str, list[str]]]) -> str:
    return ", ".join(_quoted(table) for table, _ in tables)


def _quoted(*names: str) -> str:
    return ", ".join(sql.Identifier(name).as_string() for name in names)


def _order(databases: Databases) -> list[tuple[str, Engine]]:
    """All databases, the control database last: see the module's docstring."""
    shards = [(f"shard{index}", databases.shard_database(index)) for index in range(databases.shard_databases)]
    return [*shards, ("control", databases.control)]


def _dump(engine: Engine, name: str, folder: Path, tell: Tell) -> dict[str, Any]:
    folder.mkdir(mode=0o700)
    with transaction(engine) as connection:
        connection.execute(query("one_snapshot"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        facts = connection.execute(query("dump_facts")).one()
        tables = _tables(connection)
        tables_dumped = []
        for number, (table, columns) in enumerate(tables):
            tell(name, table, number, len(tables))
            tables_dumped.append(_copy_out(connection, name, table, columns, folder))
        # After the rows: ids assigned meanwhile count as used.
        sequences = {row.sequence: row.last for row in connection.execute(query("dump_sequences"))}
    return {
        "sequences": sequences,
        "revision": facts.revision,
        "server": facts.server,
        "wal_lsn": facts.wal_lsn,
        "snapshot": facts.snapshot,
        "tables": tables_dumped,
    }


def _copy_out(connection: Connection, name: str, table: str, columns: list[str], folder: Path) -> dict[str, Any]:
    file = file_of(name, table)
    path = folder.parent / file
    statement = f"COPY (SELECT {_quoted(*columns)} FROM {_quoted(table)}) TO STDOUT (FORMAT BINARY)"  # noqa: S608
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
    return {"table": table, "columns": columns, "rows": rows, "file": file, "sha256": digest, "stored_bytes": size}


def _fill(connection: Connection, name: str, dumped: dict[str, Any], path: Path, tell: Tell) -> None:
    tables, given_out = dumped["tables"], dumped.get("sequences", {})  # backups of earlier releases have no sequences
    here = dict(_tables(connection))
    for table in tables:
        if table["table"] not in here:
            raise BackupUnusable(str(path), f"its {name} database has an unknown table {shown(table['table'])}")
        if sorted(here[table["table"]]) != sorted(table["columns"]):
            raise BackupUnusable(str(path), f"the table {table['table']} of its {name} database has other columns")
    connection.execute(text(f"TRUNCATE {_listed(_tables(connection))} RESTART IDENTITY"))
    by_name = {table["table"]: table for table in tables}
    with rows_only(connection):
        for number, table_name in enumerate(_parents_first(connection, list(by_name))):
            tell(name, table_name, number, len(by_name))
            _copy_in(connection, name, by_name[table_name], path)
    for sequence, _, table_name, column in connection.execute(query("dump_sequences")).all():
        # Not the largest existing id: clients may know the id of a deleted row.
        largest = f"SELECT max({_quoted(column)}) FROM {_quoted(table_name)}"  # noqa: S608
        last = f"greatest(({largest}), CAST(:given_out AS bigint))"
        statement = f"SELECT setval(CAST(:sequence AS regclass), {last}) WHERE {last} IS NOT NULL"
        connection.execute(text(statement), {"sequence": sequence, "given_out": given_out.get(sequence)})


def _copy_in(connection: Connection, name: str, table: dict[str, Any], path: Path) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table["table"]), sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
    )
    file = file_of(name, table["table"])
    driver = connection.connection.driver_connection
    assert driver is not None
    with (path / file).open("rb") as stored, driver.cursor() as cursor:
        with cursor.copy(statement) as copy:
            reader = zstandard.ZstdDecompressor().stream_reader(stored)
            left = _MOST_INFLATED_BYTES + _MOST_INFLATION * stored.seek(0, os.SEEK_END)
            stored.seek(0)
            while data := reader.read(_CHUNK):
                left -= len(data)
                if left < 0:
                    raise BackupUnusable(str(path), f"{file} inflates to more than any table does")
                copy.write(data)
        if cursor.rowcount != table["rows"]:
            raise BackupUnusable(str(path), f"{file} has {cursor.rowcount} rows, not {table['rows']}")


def _require_names(connection: Connection, name: str, path: Path) -> None:
    """The names of files that the restored rows contain are names that the archive's writers make."""
    here = {table for table, _ in _tables(connection)}
    for table in sorted(here & {"segments", "analyses", "rollups"}):  # old schemas lack some
        for recorded in connection.execute(text(f"SELECT name FROM {_quoted(table)}")).scalars():  # noqa: S608
            if not is_recorded_name(recorded):
                reason = f"the table {table} of its {name} database records a file with the name {shown(recorded)}"
                raise BackupUnusable(str(path), reason)


def _tables(connection: Connection) -> list[tuple[str, list[str]]]:
    return [(row.table, list(row.columns)) for row in connection.execute(query("dump_tables"))]


def _parents_first(connection: Connection, tables: list[str]) -> list[str]:
    """The tables, ordered so that referenced tables come first."""
    parents: dict[str, set[str]] = {table: set() for table in tables}
    for child, parent in connection.execute(query("dump_references")).all():
        if child in parents and child != parent:
            parents[child].add(parent)
    done: list[str] = []
    while len(done) < len(tables):
        ready = [table for table in tables if table not in done and parents[table] <= {*done}]
        assert ready, "circular references between tables"
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
    for place in [folder, *(entry for entry in folder.iterdir() if entry.is_dir() and folder.suffix == ".part")]:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

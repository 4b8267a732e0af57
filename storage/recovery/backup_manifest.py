"""Reads the manifest of a backup (storage/recovery/dump.py) and rejects everything in it that no backup contains.

A backup may come from somebody else. Names of databases, tables and columns must be plain identifiers, and a table's
file is where `back_up` writes it: no name of the manifest becomes a path or a part of a statement.
"""

import hashlib
import re
import stat
from pathlib import Path
from typing import Any

import orjson

from storage.errors import BackupError

FORMAT = 1
MANIFEST = "manifest.json"
#: Bytes of a manifest: some 100 databases take 1 MB.
_MOST_BYTES = 64 << 20

_DATABASE = re.compile(r"control|shard(?:0|[1-9][0-9]{0,4})")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_REVISION = re.compile(r"[0-9]{4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BackupUnusable(BackupError):
    """The folder is not a complete backup in a format that this version can restore. Name another folder."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"The backup {self.path} cannot be used: {self.reason}; name another."


def file_of(database: str, table: str) -> str:
    """A table's file, relative to the backup's folder."""
    return f"{database}/{table}.copy.zst"


def read_names(path: Path) -> dict[str, Any]:
    """A backup's manifest, every name and type in it verified; its files are not read.

    Raises:
        BackupUnusable.
    """
    try:
        size_bytes = (path / MANIFEST).stat().st_size
        if size_bytes > _MOST_BYTES:
            raise BackupUnusable(str(path), f"its {MANIFEST} has {size_bytes:,} bytes")
        document = orjson.loads((path / MANIFEST).read_bytes())
        if document["format"] != FORMAT:
            raise BackupUnusable(str(path), f"its format {shown(document['format'])} is unknown to this release")
        if not isinstance(document["taken_at"], str):
            raise BackupUnusable(str(path), "its time is not a text")
        for name, database in document["databases"].items():
            _require_database(path, name, database)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BackupUnusable(str(path), f"it is incomplete ({type(exc).__name__}: {shown(exc)})") from exc
    whole: dict[str, Any] = document
    return whole


def read_manifest(path: Path) -> dict[str, Any]:
    """A backup's manifest, after the SHA-256 of every file was verified.

    Raises:
        BackupUnusable.
    """
    document = read_names(path)
    try:
        for database in document["databases"].values():
            for table in database["tables"]:
                _require_file(path, table)
    except OSError as exc:
        raise BackupUnusable(str(path), f"it is incomplete ({type(exc).__name__}: {exc})") from exc
    return document


def shown(value: object) -> str:
    """A value of a manifest for an error text: printable ASCII, at most 80 characters."""
    return ascii(str(value))[1:-1][:80]


def _require_database(path: Path, name: str, database: Any) -> None:
    if not _matches(_DATABASE, name):
        raise BackupUnusable(str(path), f"it has a database with the name {shown(name)}")
    if not _matches(_REVISION, database["revision"]):
        raise BackupUnusable(str(path), f"its {name} database has the revision {shown(database['revision'])}")
    tables = set()
    for table in database["tables"]:
        _require_table(path, name, table)
        tables.add(table["table"])
    if len(tables) != len(database["tables"]):
        raise BackupUnusable(str(path), f"its {name} database has a table twice")
    for sequence, last in database.get("sequences", {}).items():  # backups of earlier releases have no sequences
        if not (last is None or _is_count(last)):
            raise BackupUnusable(str(path), f"its sequence {shown(sequence)} is at {shown(last)}")


def _require_table(path: Path, database: str, table: Any) -> None:
    name, columns, file = table["table"], table["columns"], table["file"]
    if not _matches(_IDENTIFIER, name):
        raise BackupUnusable(str(path), f"its {database} database has a table with the name {shown(name)}")
    for column in columns:
        if not _matches(_IDENTIFIER, column):
            raise BackupUnusable(str(path), f"its table {name} has a column with the name {shown(column)}")
    if not columns or len(set(columns)) != len(columns):
        raise BackupUnusable(str(path), f"its table {name} has no columns, or a column twice")
    if file != file_of(database, name):
        raise BackupUnusable(str(path), f"its table {name} names the file {shown(file)}")
    if not (_is_count(table["rows"]) and _is_count(table["stored_bytes"]) and _matches(_SHA256, table["sha256"])):
        raise BackupUnusable(str(path), f"its table {name} has no rows, size or SHA-256")


def _require_file(path: Path, table: dict[str, Any]) -> None:
    name, place = table["file"], path / table["file"]
    for part in (place.parent, place):
        if part.is_symlink():
            raise BackupUnusable(str(path), f"{part.relative_to(path)} is a link")
    if not stat.S_ISREG(place.stat().st_mode):  # before it is opened: a FIFO would block
        raise BackupUnusable(str(path), f"{name} is not a file")
    with place.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != table["sha256"]:
            raise BackupUnusable(str(path), f"{name} is damaged")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63

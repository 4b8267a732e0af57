"""The copy of the databases that is taken before the first migration of an upgrade: made, found, removed in time.

A copy is a folder as `gbm db backup` writes it, named for the revisions that it holds and when it was taken. It is
whole or absent. Whoever makes or removes one holds the upgrade's lock (upgrade.py).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.upgrade.home_version import HomeVersion
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.errors import BackupError
from storage.recovery import backup_manifest, dump

Tell = Callable[[str], None]

_PREFIX = "before-"
_STAMP = "%Y%m%dT%H%M%S%fZ"


class CopyTooLarge(BackupError):
    """There is no room for the copy that an upgrade begins with. Make room, or put the copy elsewhere."""

    def __init__(self, folder: str, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(folder, needed_bytes, free_bytes)
        self.folder, self.needed_bytes, self.free_bytes = folder, needed_bytes, free_bytes

    def __str__(self) -> str:
        return (
            f"The copy of the databases before the upgrade needs up to {self.needed_bytes:,} bytes in {self.folder}, "
            f"and {self.free_bytes:,} are free. Nothing was changed: make room, name another folder in "
            "GBM_UPGRADE__COPIES, or set GBM_UPGRADE__COPY_DATABASES=false if you have a copy of your own."
        )


class CopyMissing(BackupError):
    """There is no such copy. List the copies."""

    def __init__(self, name: str, folder: str) -> None:
        super().__init__(name, folder)
        self.name, self.folder = name, folder

    def __str__(self) -> str:
        return f"There is no copy {self.name} in {self.folder}: run `gbm upgrade --check` to list the copies."


@dataclass(frozen=True, slots=True)
class DatabaseCopy:
    """A whole copy. revisions: by database, as in the manifest ("control", "shard0"). home: None: it was not told."""

    path: Path
    taken_at: datetime
    revisions: dict[str, str]
    stored_bytes: int
    home: HomeVersion | None


class DatabaseCopies:
    """The copies in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(
        self,
        databases: Databases,
        revisions: dict[str, str],
        home: HomeVersion,
        tell: Tell,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> DatabaseCopy:
        """Copy every database.

        Args:
            revisions: of the databases now, by name.
            home: the home's version, which comes back with the copy.
            free_bytes: what the disk of a folder has left.

        Raises:
            CopyTooLarge: before anything is written.
            BackupUnusable: the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise backup_manifest.BackupUnusable(str(self.folder), exc.strerror or str(exc)) from exc
        self._remove_parts()
        needed, free = needed_bytes(databases), free_bytes(self.folder)
        if needed > free:
            raise CopyTooLarge(str(self.folder), needed, free)
        shard = min(revision for name, revision in revisions.items() if name != "control")
        name = f"{_PREFIX}{revisions['control']}-{shard}-{datetime.now(UTC):{_STAMP}}"
        tell(f"a copy of the databases in {self.folder / name}")
        dump.back_up(
            databases,
            self.folder / name,
            lambda database, _, done, total: None if done else tell(f"the copy of {database}, {total} tables"),
            {"home": home.as_document()},
        )
        return _read(self.folder / name)

    def all(self) -> list[DatabaseCopy]:
        """The copies, oldest first."""
        found = [_read(path.parent) for path in self.folder.glob(f"{_PREFIX}*/{backup_manifest.MANIFEST}")]
        return sorted(found, key=lambda copy: copy.taken_at)

    def named(self, name: str) -> DatabaseCopy:
        """One copy, by name or path.

        Raises:
            CopyMissing.
        """
        path = self.folder / name
        if not (path / backup_manifest.MANIFEST).is_file():
            raise CopyMissing(name, str(self.folder))
        return _read(path)

    def remove_older(self, keep_days: float, now: datetime) -> list[str]:
        """Remove copies whose time is over; returns their names."""
        over = [copy.path for copy in self.all() if now - copy.taken_at > timedelta(days=keep_days)]
        for path in over:
            # A half removed copy must not look whole.
            (path / backup_manifest.MANIFEST).unlink()
            shutil.rmtree(path)
        return [path.name for path in over]

    def _remove_parts(self) -> None:
        """Copies that a kill left unfinished, or half removed."""
        for path in [*self.folder.glob(f".{_PREFIX}*.part"), *self.folder.glob(f"{_PREFIX}*")]:
            if path.suffix == ".part" or not (path / backup_manifest.MANIFEST).exists():
                shutil.rmtree(path)


def needed_bytes(databases: Databases) -> int:
    """What a copy takes at most: the tables as they lie in PostgreSQL, which its compression only makes smaller."""
    total = 0
    for engine in [databases.control, *(databases.shard_database(n) for n in range(databases.shard_databases))]:
        with transaction(engine) as connection:
            total += int(connection.execute(query("tables_bytes")).scalar_one())
    return total


def _read(path: Path) -> DatabaseCopy:
    document = backup_manifest.read_names(path)
    databases = document["databases"]
    return DatabaseCopy(
        path,
        datetime.fromisoformat(document["taken_at"]),
        {name: database["revision"] for name, database in databases.items()},
        sum(table["stored_bytes"] for database in databases.values() for table in database["tables"]),
        HomeVersion.of_document(document["home"]) if "home" in document else None,
    )

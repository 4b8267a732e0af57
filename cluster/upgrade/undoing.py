"""An upgrade is undone: the databases go back to the copy of before, for the version that it was taken from.

A kill at any moment leaves a home that says so, and the same command goes on. No cluster may run meanwhile.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cluster.home import Home
from cluster.upgrade.database_copy import DatabaseCopies, DatabaseCopy
from cluster.upgrade.home_version import FIRST_PROGRAM, HomeVersion, refuse_newer
from cluster.upgrade.upgrade import alone, copies_folder, version_of
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.db.sql_files import query
from storage.files.blobs import LocalBlobs, open_blobs
from storage.files.kept_answers import FOLDER
from storage.recovery import backup_manifest, dump
from storage.segments.file_names import ROLLUP_SUFFIX, SUFFIXES

if TYPE_CHECKING:
    from cluster.settings import Settings

Tell = Callable[[str], None]


def undo(settings: "Settings", home: Home, databases: Databases, name: str, tell: Tell) -> tuple[DatabaseCopy, bool]:
    """Put the databases back as a copy has them.

    Args:
        name: of the copy, or the path of any backup.

    Returns:
        The copy, and whether the archive is as it was then. If not, no owner begins until the older version's
        `gbm db rebuild --keep` has taken in what is newer.

    Raises:
        CopyMissing, BackupUnusable, HomeNewer.
    """
    with alone(home, tell):
        refuse_newer(home.root, migrate.newest_revisions())
        copy = DatabaseCopies(copies_folder(settings, home)).named(name)
        backup_manifest.read_manifest(copy.path)
        version_of(settings).beginning("undo", str(copy.path), copy.revisions).write(home.root)
        dump.restore(
            databases,
            copy.path,
            lambda database, _, done, total: None if done else tell(f"{database} again, {total} tables"),
            keep_revision=True,
        )
        same = _is_of(databases, open_blobs(settings.archive.uri or home.archive.as_uri()))
        if same:
            for index in range(databases.shard_databases):
                with transaction(databases.shard_database(index)) as connection:
                    connection.execute(query("lease_reopen"))
        (copy.home or HomeVersion(FIRST_PROGRAM)).write(home.root)
    return copy, same


def _is_of(databases: Databases, blobs: LocalBlobs) -> bool:
    """Whether the archive holds every file that the databases need, and none that they do not know."""
    there = {_without_ending(blob.name) for blob in blobs.list("") if not blob.name.startswith(f"{FOLDER}/")}
    known: set[str] = set()
    needed: set[str] = set()
    for index in range(databases.shard_databases):
        with transaction(databases.shard_database(index)) as connection:
            for row in connection.execute(query("archive_names")):
                known.add(row.name)
                needed |= {row.name} if row.needed else set()
    return needed <= there <= known


def _without_ending(name: str) -> str:
    for ending in (*SUFFIXES, ROLLUP_SUFFIX):
        name = name.removesuffix(ending)
    return name

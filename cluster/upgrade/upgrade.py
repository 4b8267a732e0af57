"""A home is brought from its version to this program's. undoing.py goes back.

In this order, so that a kill at any moment leaves what the next start goes on with: a copy of the databases (whole or
absent), then the home's version with what is under way (an older program refuses from here on), then the migrations
(each database is one transaction), then the version without it. One process at a time does so, under a lock that the
kernel drops with the process; others wait for it. Databases that the operator named belong to no home: their revisions
are not in its version, and a release works on the schema of the next one.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.home import Home
from cluster.upgrade.home_version import HomeVersion, refuse_newer
from storage.db import migrate
from storage.db.engines import Databases
from storage.errors import BackupError

if TYPE_CHECKING:
    from cluster.settings import Settings

Tell = Callable[[str], None]


class UndoUnfinished(BackupError):
    """An upgrade was being undone when the program ended. Finish that first."""

    def __init__(self, home: str, copy: str) -> None:
        super().__init__(home, copy)
        self.home, self.copy = home, copy

    def __str__(self) -> str:
        return f"The upgrade of {self.home} is being undone and has not ended: run `gbm upgrade --undo {self.copy}`."


class CopyImpossible(BackupError):
    """Databases cannot be read, so no copy of all can be taken. Correct that, or upgrade the others without a copy."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return (
            f"The databases cannot be copied before the upgrade ({'; '.join(self.problems)}). Nothing was changed: "
            "correct this, or run `gbm db upgrade --no-copy` to upgrade the other databases if you have a copy."
        )


@contextmanager
def upgrading(
    settings: "Settings", home: Home, databases: Databases, tell: Tell, copy: bool | None = None
) -> Iterator[bool]:
    """Around the migrations: the lock, the copy, the home's version. Where all is up to date it costs a read of each.

    A database that cannot be reached is left to the migrations, which name it; the upgrade then stays under way.

    Args:
        copy: take one before the first migration; None: as the settings say.

    Yields:
        Whether every database has exactly this program's schema, so that there is nothing to migrate.

    Raises:
        HomeNewer, CopyTooLarge, CopyImpossible, BackupUnusable: nothing was changed.
        UndoUnfinished.
    """
    wanted = version_of(settings)
    found = refuse_newer(home.root, migrate.newest_revisions())
    current = found.under_way is None and _numbers(found) == _numbers(wanted)
    if current:
        revisions, problems = _read_each(databases)
        if not problems and not is_pending(revisions):
            yield _are_newest(revisions)
            remove_old_copies(settings, home, tell)
            return
    with alone(home, tell):
        found = refuse_newer(home.root, migrate.newest_revisions())
        if found.under_way and found.under_way.kind == "undo":
            raise UndoUnfinished(str(home.root), str(found.under_way.copy))
        if is_pending(_read_each(databases)[0]):
            _prepare(settings, home, databases, tell, found, copy)
        yield False
        if _is_done(databases):
            kept = found if _numbers(found) == _numbers(wanted) else wanted
            replace(kept, under_way=None).write(home.root)
    remove_old_copies(settings, home, tell)


def _prepare(
    settings: "Settings", home: Home, databases: Databases, tell: Tell, found: HomeVersion, copy: bool | None
) -> None:
    """Take the copy, and let the home say that its upgrade has begun."""
    from cluster.upgrade.database_copy import DatabaseCopies  # with what dumps tables, for which no command waits

    revisions, problems = _read_each(databases)
    kept = found.under_way.copy if found.under_way else None
    is_copying = kept is None and (settings.upgrade.copy_databases if copy is None else copy)
    if is_copying and problems:
        raise CopyImpossible(problems)
    before = {name: revision for name, revision in revisions.items() if revision is not None}
    if not problems:
        before = migrate.create_missing(databases, tell)
    if is_copying:
        copies = DatabaseCopies(copies_folder(settings, home))
        kept = str(copies.make(databases, before, found, tell).path)
    version_of(settings).beginning("upgrade", kept, before).write(home.root)


@contextmanager
def alone(home: Home, tell: Tell) -> Iterator[None]:
    """Be the one who changes this home's version until the block ends; waits for another, and says so."""
    descriptor = os.open(home.run / "upgrade.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("when another process has upgraded this home; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_under_way(home: Home) -> bool:
    """Whether a process is upgrading this home now, or undoing it."""
    try:
        descriptor = os.open(home.run / "upgrade.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def remove_old_copies(settings: "Settings", home: Home, tell: Tell) -> None:
    """Remove the copies that were kept for long enough."""
    folder = copies_folder(settings, home)
    if folder.is_dir():
        from cluster.upgrade.database_copy import DatabaseCopies

        with alone(home, tell):
            for name in DatabaseCopies(folder).remove_older(settings.upgrade.keep_days, datetime.now(UTC)):
                tell(f"without the copy {name}, which was kept for {settings.upgrade.keep_days:g} days")


def copies_folder(settings: "Settings", home: Home) -> Path:
    """Where the copies lie."""
    return settings.upgrade.copies or home.root / "copies"


def version_of(settings: "Settings") -> HomeVersion:
    """The version that this program gives a home with these settings."""
    own = settings.postgres.control_dsn is None
    return HomeVersion.of_this_program(migrate.newest_revisions() if own else {})


def is_pending(before: dict[str, str | None]) -> bool:
    """Whether a database holds an older schema. An empty one is made, not migrated."""
    return any(revision is not None and revision < _newest_of(name) for name, revision in before.items())


def _are_newest(revisions: dict[str, str | None]) -> bool:
    return all(revision == _newest_of(name) for name, revision in revisions.items())


def _newest_of(name: str) -> str:
    return migrate.newest_revisions()["control" if name == "control" else "shard"]


def _read_each(databases: Databases) -> tuple[dict[str, str | None], list[str]]:
    """The revisions of the databases that can be read, by name as in migrate.revisions, and why others cannot be."""
    names = ["control", *(f"shard{index}" for index in range(databases.shard_databases))]
    states = migrate.states(databases)
    revisions = {name: state.revision for name, state in zip(names, states, strict=True) if state.error is None}
    return revisions, [f"{state.label}: {state.error}" for state in states if state.error is not None]


def _is_done(databases: Databases) -> bool:
    """Whether every database can be read and none holds an older schema."""
    revisions, problems = _read_each(databases)
    return not problems and not is_pending(revisions)


def _numbers(version: HomeVersion) -> HomeVersion:
    return replace(version, program="", under_way=None)

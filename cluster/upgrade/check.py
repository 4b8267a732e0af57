"""What an upgrade of a home would do, and how long it takes. Changes nothing but to start the embedded server."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cluster.home import Home
from cluster.upgrade.database_copy import DatabaseCopies, DatabaseCopy, needed_bytes
from cluster.upgrade.home_version import HomeVersion, refuse_newer
from cluster.upgrade.upgrade import copies_folder, is_pending, version_of
from storage.control.nodes import Node, Nodes
from storage.db import migrate
from storage.db.engines import Databases
from storage.db.migration_cost import COPY_S, PendingMigrations, pending

if TYPE_CHECKING:
    from cluster.settings import Settings

#: Revision of the control database from which processes announce themselves.
_NODES_SINCE = "0012"


@dataclass(frozen=True, slots=True)
class UpgradeCheck:
    """here: the home's version. copy_bytes: what the copy takes at most; None: none is taken.

    nodes: the processes that work on the archive now, maybe of several versions. formats: what they write, by kind.
    """

    here: HomeVersion
    wanted: HomeVersion
    databases: tuple[PendingMigrations, ...]
    copy_bytes: int | None
    copy_seconds: float
    copies: tuple[DatabaseCopy, ...]
    nodes: tuple[Node, ...]
    formats: dict[str, int]

    @property
    def is_needed(self) -> bool:
        """Whether a database would be migrated."""
        return any(database.revision is not None and database.steps for database in self.databases)

    @property
    def seconds(self) -> float:
        """Of the copy and all migrations, one after another; an estimate."""
        return self.copy_seconds + sum(database.seconds for database in self.databases)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "home": self.here.as_document(),
            "program": self.wanted.as_document(),
            "needed": self.is_needed,
            "seconds": round(self.seconds, 1),
            "databases": [asdict(database) for database in self.databases],
            "copy_bytes": self.copy_bytes,
            "copies": [
                {"name": copy.path.name, "taken_at": copy.taken_at.isoformat(), "revisions": copy.revisions}
                for copy in self.copies
            ],
            "nodes": [asdict(node) for node in self.nodes],
            "formats": self.formats,
        }


def check(settings: "Settings", home: Home, databases: Databases) -> UpgradeCheck:
    """What `gbm up` would do first.

    Raises:
        HomeNewer, DatabaseUnreachable.
    """
    here = refuse_newer(home.root, migrate.newest_revisions())
    waiting = tuple(pending(databases))
    copied = settings.upgrade.copy_databases and is_pending({one.name: one.revision for one in waiting})
    begun = here.under_way is not None and here.under_way.copy is not None
    takes = copied and not begun
    nodes = Nodes(databases.control) if (waiting[0].revision or "") >= _NODES_SINCE else None
    return UpgradeCheck(
        here,
        version_of(settings),
        waiting,
        needed_bytes(databases) if takes else None,
        COPY_S * sum(one.messages for one in waiting) / 1e6 if takes else 0.0,
        tuple(DatabaseCopies(copies_folder(settings, home)).all()),
        tuple(nodes.living()) if nodes else (),
        nodes.written() if nodes else {},
    )

"""The settings and stores for a command, imported when it runs: `gbm --help` must not wait for databases to load."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.settings import Settings
    from cluster.stores import Stores
    from storage.db.engines import Databases


def settings() -> "Settings":
    """The settings in force.

    Raises:
        InvalidSettings.
    """
    from cluster.settings import load

    return load()


def open_stores(settings: "Settings") -> "AbstractContextManager[Stores]":
    """As cluster.stores.open_stores."""
    from cluster import stores

    return stores.open_stores(settings)


@contextmanager
def open_databases(settings: "Settings") -> "Iterator[Databases]":
    """The databases as they are, whatever their schemas; as cluster.stores.open_databases."""
    from cluster import stores

    with stores.open_databases(settings, lambda _: None) as (databases, _):
        yield databases

"""The settings and stores for a command, imported when it runs: `gbm --help` must not wait for databases to load."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.settings import Settings
    from cluster.stores import Stores


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

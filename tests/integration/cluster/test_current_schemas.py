"""Stores whose schemas are current are opened without the work of an upgrade."""

from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine, QueuePool

from cluster.settings import load
from cluster.stores import open_stores
from storage.db import migrate
from storage.db.engines import Databases


@pytest.fixture
def upgrades(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of shards of each upgrade that was begun."""
    begun: list[int] = []
    upgrade = migrate.upgrade

    def counted(databases: Databases, shards: int, progress: migrate.Tell | None = None) -> None:
        begun.append(shards)
        upgrade(databases, shards, progress)

    monkeypatch.setattr(migrate, "upgrade", counted)
    return begun


def test_each_database_of_current_schemas_is_connected_to_once_and_migrated_no_more(
    installation: Path, upgrades: list[int]
) -> None:
    with open_stores(load()):
        pass
    upgrades.clear()

    with open_stores(load()) as stores:
        engines = [stores.databases.control, stores.databases.shard_database(0)]
        assert [_connections(engine) for engine in engines] == [1, 1]
        assert len(stores.shards) == load().shards.count

    assert upgrades == []


def test_more_shards_are_registered_though_the_schemas_are_current(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_stores(load()) as stores:
        before = len(stores.shards)
    monkeypatch.setenv("GBM_SHARDS__COUNT", str(before + 3))

    with open_stores(load()) as stores:
        assert len(stores.shards) == before + 3


def _connections(engine: Engine) -> int:
    return cast(QueuePool, engine.pool).checkedin()

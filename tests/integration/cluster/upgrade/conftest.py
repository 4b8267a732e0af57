"""A home with mail, and a later release that has more migrations than this one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from cluster.home import Home
from cluster.settings import Settings, UpgradeSettings, load
from cluster.stores import open_stores
from storage.catalog import leases
from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases, transaction
from tests.integration.storage.factory import Mail, Shard
from tests.planted_migrations import plant


@dataclass
class Installation:
    """A home whose databases are of this release, with two messages in them."""

    settings: Settings
    home: Home
    databases: Databases

    def with_upgrade(self, **chosen: object) -> Settings:
        """The same settings, but for those of upgrades."""
        return self.settings.model_copy(update={"upgrade": UpgradeSettings.model_validate(chosen)})


@pytest.fixture
def installation(new_stores: Callable[[], tuple[str, ...]], home: Path) -> Iterator[Installation]:
    control, *shards = (SecretStr(dsn) for dsn in new_stores())
    settings = load(home=home, postgres=PostgresConfig(control_dsn=control, shard_dsns=tuple(shards)))
    with open_stores(settings) as stores:
        user = stores.control.add_user("ann@example.com")
        stores.control.save_key("key", user.user_id, "owner", b"hash", None)
        engine = stores.catalog(user).engine
        lease = leases.acquire(engine, user.shard_id, "owner", "cluster", 60)
        shard = Shard(engine, Path(str(stores.blobs.location(""))), lease)
        shard.catalog.open_mailbox(user.shard_id, user.user_id, user.email)
        shard.store(user.user_id, Mail(1), Mail(2))
        leases.release(engine, lease)
        yield Installation(settings, Home(home), stores.databases)


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """The migrations of a later release."""
    plant(tmp_path / "migrations")
    return tmp_path / "migrations"


@pytest.fixture
def be_later(later: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Call it to be the later release from then on."""

    def use() -> None:
        monkeypatch.setattr(migrate, "_MIGRATIONS", later)
        migrate._revisions.cache_clear()

    yield use
    monkeypatch.undo()
    migrate._revisions.cache_clear()


def everything(databases: Databases) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but leases, whichever partition they are in, and the revisions."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for number, engine in enumerate([databases.control, *map(databases.shard_database, range(2))]):
        with transaction(engine) as connection:
            names = connection.execute(
                text(
                    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
                    " AND relnamespace = 'public'::regnamespace AND relname <> 'leases'"
                )
            ).scalars()
            for name in names.all():
                rows = connection.execute(text(f'SELECT * FROM "{name}"'))
                found[f"{number}.{name}"] = sorted(map(tuple, rows), key=repr)
    return found

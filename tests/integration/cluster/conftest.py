"""The stores that a command opens, with some mail in them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from cluster.main import whole_program
from cluster.settings import load
from cluster.stores import Stores, open_stores
from tests.integration.storage.factory import Mail, Shard

ANN = "ann@example.com"


@pytest.fixture
def installation(new_pair: Callable[[], tuple[str, ...]], home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that a command uses, with databases that are up to date and empty."""
    control, *shards = new_pair()
    monkeypatch.setenv("GBM_HOME", str(home))
    monkeypatch.setenv("GBM_POSTGRES__CONTROL_DSN", control)
    monkeypatch.setenv("GBM_POSTGRES__SHARD_DSNS", orjson.dumps(shards).decode())
    monkeypatch.setenv("GBM_ARCHIVE__URI", (home / "archive").as_uri())
    return home


@pytest.fixture
def stores(installation: Path) -> Iterator[Stores]:
    """The stores that the command opens, too."""
    with open_stores(load()) as stores:
        yield stores


@pytest.fixture
def shard(stores: Stores) -> Shard:
    """Ann's shard, where she has two messages."""
    user = stores.control.add_user(ANN)
    shard = Shard(stores.catalog(user).engine, Path(str(stores.blobs.location(""))))
    shard.catalog.open_mailbox(shard.shard_id, user.user_id, user.email)
    shard.store(user.user_id, Mail(1), Mail(2, subject="Second"))
    return shard


def gbm(*arguments: str) -> Result:
    return CliRunner().invoke(whole_program(), list(arguments))

"""The stores that a command opens, with some mail in them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from cluster.main import app
from cluster.settings import load
from cluster.stores import Stores, open_stores
from tests.integration.storage.factory import Mail, Shard

ANN = "ann@example.com"


@pytest.fixture
def stores(new_database: Callable[[], str], home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    """The stores that the command opens, too."""
    monkeypatch.setenv("GBM_HOME", str(home))
    monkeypatch.setenv("GBM_POSTGRES__CONTROL_DSN", new_database())
    monkeypatch.setenv("GBM_POSTGRES__SHARD_DSNS", orjson.dumps([new_database()]).decode())
    monkeypatch.setenv("GBM_ARCHIVE__URI", (home / "archive").as_uri())
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
    return CliRunner().invoke(app, list(arguments))

"""`gbm shards`: what is where, and moving it."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from cluster.stores import Stores
from storage.catalog import leases
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Mail, Shard


@pytest.fixture
def another(stores: Stores, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second shard database, added later."""
    first = stores.settings.postgres.shard_dsns[0].get_secret_value()
    monkeypatch.setenv("GBM_POSTGRES__SHARD_DSNS", orjson.dumps([first, new_database()]).decode())


@pytest.mark.usefixtures("another")
def test_a_shard_is_listed_moved_and_read_there(stores: Stores) -> None:
    user = stores.control.add_user(ANN)
    number, engine = user.shard_id, stores.catalog(user).engine
    shard = Shard(
        engine,
        Path(str(stores.blobs.location(""))),
        leases.acquire(engine, number, "owner", stores.config.cluster, 60),
    )
    shard.catalog.open_mailbox(number, user.user_id, user.email)
    shard.store(user.user_id, Mail(1), Mail(2, subject="Second"))
    listed = gbm("shards", "list", "--json")
    assert {row["database"] for row in orjson.loads(listed.stdout)["shards"]} == {0}

    plan = orjson.loads(gbm("shards", "rebalance", "--dry-run", "--json").stdout)
    moved = gbm("shards", "move", str(number), "1")

    assert plan == {"plan": [], "moved": []}
    assert moved.exit_code == 0
    assert f"shard {number} moved to database 1" in moved.stdout
    assert stores.control.shards()[number] == 1
    assert len(orjson.loads(gbm("search", ANN, "Second", "--json").stdout)["items"]) == 1
    after = orjson.loads(gbm("shards", "list", "--json").stdout)
    assert [row["database"] for row in after["shards"] if row["shard_id"] == number] == [1]
    assert [move["state"] for move in after["moves"]] == ["switched"]
    assert "already" in gbm("shards", "move", str(number), "1").stdout


def test_a_database_that_is_not_configured_is_refused(stores: Stores) -> None:
    refused = gbm("shards", "move", "0", "5")

    assert refused.exit_code == 1
    assert "no database 5" in refused.stderr
    assert set(stores.control.shards().values()) == {0}

"""`gbm audit`."""

import orjson

from cluster.stores import Stores
from tests.integration.cluster.conftest import ANN, gbm


def test_what_was_done_is_listed_in_pages_and_by_action(stores: Stores) -> None:
    stores.control.add_user(ANN)
    assert gbm("keys", "create", ANN, "--role", "operator").exit_code == 0

    told = orjson.loads(gbm("audit", "--json").stdout)
    assert [(entry["action"], entry["detail"].get("role")) for entry in told] == [
        ("account.add", None),
        ("key.create", "operator"),
    ]
    first = gbm("audit", "--limit", "1")
    assert ANN in first.stdout
    assert f"--after {told[0]['id']}" in first.stderr
    rest = orjson.loads(gbm("audit", "--json", "--after", str(told[0]["id"])).stdout)
    assert rest == told[1:]
    assert orjson.loads(gbm("audit", "--json", "--action", "key.create").stdout) == told[1:]
    assert "Nothing is noted" in gbm("audit", "--action", "shard.move").stderr

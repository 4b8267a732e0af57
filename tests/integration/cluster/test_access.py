"""`gbm audit`, `gbm keys`: who may what, and who did what."""

import orjson

from cluster.commands.keys import KeyScope
from cluster.stores import Stores
from serve.auth.policies import Scope
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
    assert "No entries" in gbm("audit", "--action", "shard.move").stderr


def test_a_key_is_narrowed_and_expires(stores: Stores) -> None:
    stores.control.add_user(ANN)
    made = orjson.loads(
        gbm("keys", "create", ANN, "--scope", "mail", "--scope", "keys", "--days", "30", "--json").stdout
    )
    [listed] = orjson.loads(gbm("keys", "list", "--json").stdout)
    assert (made["scopes"], listed["scopes"]) == (["mail", "keys"], ["keys", "mail"])
    assert listed["expires_at"] is not None
    assert "(keys, mail only)" in gbm("keys", "list").stdout
    assert gbm("keys", "create", ANN, "--scope", "everything").exit_code != 0


def test_the_command_knows_every_scope() -> None:
    assert {scope.value for scope in KeyScope} == {scope.value for scope in Scope}


def test_a_pause_waits_for_a_cluster_and_is_listed_and_noted(stores: Stores) -> None:
    user = stores.control.add_user(ANN)
    paused = gbm("accounts", "pause", ANN.upper())
    assert (paused.exit_code, stores.control.is_paused(user.user_id)) == (0, True)
    assert f"gbm accounts resume {ANN}" in " ".join(paused.stderr.split())
    [listed] = orjson.loads(gbm("accounts", "list", "--json").stdout)
    assert (listed["email"], listed["paused"]) == (ANN, True)
    assert " paused " in gbm("accounts", "list").stdout

    assert gbm("accounts", "resume", ANN).exit_code == 0

    assert not stores.control.is_paused(user.user_id)
    noted = [entry["action"] for entry in orjson.loads(gbm("audit", "--json").stdout)]
    assert noted == ["account.add", "account.pause", "account.resume"]
    assert "nobody@example.com" in gbm("accounts", "pause", "nobody@example.com").stderr

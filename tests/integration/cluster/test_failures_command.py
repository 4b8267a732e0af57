"""`gbm failures`: what could not be backed up, since when, how often it was tried, when next, and why."""

from datetime import UTC, datetime, timedelta

import orjson

from cluster.stores import Stores
from storage.model.records import FailedItem, FailedKind
from tests.integration.cluster.conftest import ANN, gbm
from tests.integration.storage.factory import Shard


def test_failures_are_listed_by_mailbox_with_all_that_is_known(stores: Stores, shard: Shard) -> None:
    assert "No failures." in gbm("failures").stderr
    user = stores.control.user(ANN)
    soon = datetime(2026, 12, 1, 10, tzinfo=UTC)
    items = [
        FailedItem(user.user_id, 0xAB, 3, "the field 'raw' is missing", soon, FailedKind.MISSING),
        FailedItem(user.user_id, 0xCD, 0, "suspect: a listing lacks it", soon + timedelta(days=1), FailedKind.SUSPECT),
    ]
    shard.catalog.commit(shard.plan([user.user_id], failed=items))

    listed, found = gbm("failures", ANN), orjson.loads(gbm("failures", ANN, "--json").stdout)["items"]

    assert listed.exit_code == 0, listed.stderr
    [first, second] = listed.stdout.splitlines()
    assert all(word in first for word in (ANN, "ab", "missing", "3 attempts", "next 2026-12-01 10:00", "'raw'"))
    assert "suspect" in second and "cd" in second
    assert [(item["email"], item["id"], item["kind"], item["attempts"]) for item in found] == [
        (ANN, "ab", "missing", 3),
        (ANN, "cd", "suspect", 0),
    ]
    assert all(item["since"] and item["next_attempt_at"] and item["reason"] for item in found)
    assert len(orjson.loads(gbm("failures", "--limit", "1", "--json").stdout)["items"]) == 1


def test_a_retry_needs_a_mailbox_and_a_cluster(stores: Stores, shard: Shard) -> None:
    assert "run `gbm failures retry EMAIL`" in gbm("failures", "retry").stderr
    refused = gbm("failures", "retry", ANN)
    assert refused.exit_code == 1 and "gbm up" in refused.stderr

"""The state of the cluster, read from Postgres: shards with their owners, mailboxes with their lag, quota."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from actors.compaction import debt
from actors.forecast import forecast
from cluster.stores import Stores
from storage.catalog.compaction import Compactions
from storage.control.nodes import Nodes
from storage.control.wait_reasons import WaitReasons
from storage.fleet import shard_status as gathered
from storage.model.wait_reasons import WHOLE_SHARD, WaitReason


def overview(stores: Stores, running: dict[str, object] | None, now: datetime) -> dict[str, Any]:
    """{running, shards: [...], mailboxes: [...], quota: {...}, nodes: [...]}: the output of `gbm status --json`."""
    waits = WaitReasons(stores.databases.control).all()
    mailboxes = []
    for facts in gathered.mailboxes(stores.databases, stores.shards):
        synced_at = facts.pop("synced_at")
        facts["synced_at"] = synced_at.isoformat() if synced_at else None
        facts["lag_s"] = (now - synced_at).total_seconds() if synced_at else None
        user_id = facts.pop("user_id")
        facts["waits"] = [reason.as_json() for reason in waits if reason.user_id == user_id]
        if facts["error"] is None and facts["waits"]:
            facts["error"] = facts["waits"][0]["detail"]
        mailboxes.append(facts)
    quota = forecast(stores.databases, stores.config.gmail, now)
    today = {**asdict(quota), "passes_threshold": quota.passes, "profile": stores.config.gmail.quota_profile}
    shards = [
        {**shard, **_debt(stores, shard), "waits": _of_shard(waits, shard["shard_id"])}
        for shard in gathered.shards(stores.databases, stores.shards)
    ]
    nodes = [asdict(node) for node in Nodes(stores.databases.control).living()]
    return {"running": running, "shards": shards, "mailboxes": mailboxes, "quota": today, "nodes": nodes}


def _of_shard(waits: list[WaitReason], shard_id: int) -> list[dict[str, Any]]:
    """Why a shard waits as a whole, not its mailboxes one by one."""
    return [reason.as_json() for reason in waits if (reason.shard_id, reason.user_id) == (shard_id, WHOLE_SHARD)]


def _debt(stores: Stores, shard: dict[str, Any]) -> dict[str, int]:
    """The segments of a shard that await compaction."""
    live = Compactions(stores.databases.shard_database(shard["database"])).live(shard["shard_id"])
    owed = debt(live, stores.config.archive)
    return {"open_segments": owed.open_segments, "debt_bytes": owed.bytes, "excluded_segments": owed.excluded}


def overview_totals(stores: Stores) -> dict[str, int]:
    """{segments, size_bytes, stored_bytes, defective} over all shards."""
    totals = {"segments": 0, "size_bytes": 0, "stored_bytes": 0, "defective": 0}
    for shard in gathered.shards(stores.databases, stores.shards):
        for name in totals:
            totals[name] += shard[name]
    return totals

"""The state of everything, from Postgres: shards with their owners, mailboxes with their lag."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from actors.compaction import debt
from cluster.forecast import forecast
from cluster.stores import Stores
from storage.compaction import Compactions
from storage.databases import transaction
from storage.queries import query


def overview(stores: Stores, running: dict[str, object] | None, now: datetime) -> dict[str, Any]:
    """{running, shards: [...], mailboxes: [...], quota: {...}}: what `gbm status --json` prints."""
    shards: list[dict[str, Any]] = []
    mailboxes: list[dict[str, Any]] = []
    for database in range(stores.databases.shard_databases):
        numbers = [shard_id for shard_id, index in stores.shards.items() if index == database]
        with transaction(stores.databases.shard_database(database)) as connection:
            found = connection.execute(query("shard_overview"), {"shard_ids": numbers})
            shards += [{"database": database, **row._mapping} for row in found]
            for row in connection.execute(query("mailbox_overview"), {"shard_ids": numbers}):
                facts = dict(row._mapping)
                synced_at = facts.pop("synced_at")
                facts["synced_at"] = synced_at.isoformat() if synced_at else None
                facts["lag_s"] = (now - synced_at).total_seconds() if synced_at else None
                mailboxes.append(facts)
        compactions = Compactions(stores.databases.shard_database(database))
        for shard in shards:
            if shard["database"] == database:
                owed = debt(compactions.live(shard["shard_id"]), stores.config.archive)
                shard["open_segments"], shard["debt_bytes"] = owed.open_segments, owed.bytes
                shard["excluded_segments"] = owed.excluded
    shards.sort(key=lambda shard: shard["shard_id"])
    mailboxes.sort(key=lambda mailbox: mailbox["email"])
    quota = forecast(stores, now)
    today = {**asdict(quota), "passes_threshold": quota.passes, "profile": stores.config.gmail.quota_profile}
    return {"running": running, "shards": shards, "mailboxes": mailboxes, "quota": today}


def overview_totals(stores: Stores) -> dict[str, int]:
    """{segments, size_bytes, stored_bytes, defective} over all shards."""
    totals = {"segments": 0, "size_bytes": 0, "stored_bytes": 0, "defective": 0}
    for database in range(stores.databases.shard_databases):
        numbers = [shard_id for shard_id, index in stores.shards.items() if index == database]
        with transaction(stores.databases.shard_database(database)) as connection:
            for row in connection.execute(query("shard_overview"), {"shard_ids": numbers}):
                for name in totals:
                    totals[name] += getattr(row, name)
    return totals

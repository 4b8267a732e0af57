"""The state of the cluster, read from Postgres: shards with their owners, mailboxes with their lag, quota."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from actors.compaction import debt
from actors.forecast import forecast
from cluster.stores import Stores
from jobs.gmail.config import PACIFIC, GmailConfig
from storage.catalog.compaction import Compactions
from storage.control.nodes import Nodes
from storage.control.wait_reasons import WaitReasons
from storage.fleet import shard_status as gathered
from storage.model.wait_reasons import WHOLE_SHARD, WaitReason

#: Days before the legacy profile ends from which `gbm status` warns.
_WARN_DAYS = 60


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
    gmail = stores.config.gmail
    today = {
        **quota.as_json(),
        "profile": gmail.profile,
        "profile_warning": profile_warning(gmail, now),
    }
    shards = [
        {**shard, **_debt(stores, shard), "waits": _of_shard(waits, shard["shard_id"])}
        for shard in gathered.shards(stores.databases, stores.shards)
    ]
    nodes = [asdict(node) for node in Nodes(stores.databases.control).living()]
    return {"running": running, "shards": shards, "mailboxes": mailboxes, "quota": today, "nodes": nodes}


def profile_warning(gmail: GmailConfig, now: datetime) -> str | None:
    """What the operator must know about the configured profile's end, from 60 days before. `now`: aware."""
    days = gmail.days_of_legacy(now.astimezone(PACIFIC).date())
    if days is None or days > _WARN_DAYS:
        return None
    remedy = "set GBM_GMAIL__QUOTA_PROFILE=standard, or GBM_GMAIL__PAID_TIER=true for a project in the paid tier"
    if days <= 0:
        return f"the legacy quota ended on {gmail.legacy_ends_on}: the standard limits apply; {remedy}"
    return f"the legacy quota ends on {gmail.legacy_ends_on}, in {days} days: the standard limits apply then; {remedy}"


def _of_shard(waits: list[WaitReason], shard_id: int) -> list[dict[str, Any]]:
    """The wait reasons of a whole shard, without those of single mailboxes."""
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

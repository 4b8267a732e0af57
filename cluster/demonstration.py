"""`gbm demo`: a simulated Gmail, a local cluster, a backfill and a summary."""

import json
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actors.decisions import Mode
from cluster.backfill import BackfillResult, backfill
from cluster.console import count, notes, print_json
from cluster.local import LocalCluster, local_cluster
from cluster.overview import overview_totals
from cluster.settings import Settings
from cluster.signals import wait_for_stop, watch_signals
from cluster.simulator.process import start_simulator
from jobs.gmail.quota_costs import PROFILES
from jobs.rendering.units import size
from serve.auth import sign_in_codes
from serve.auth.api_keys import new_key
from storage.control.principal import Principal
from storage.model.mail_query import MailQuery
from storage.model.records import User


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """Options of a demonstration."""

    mail: tuple[Path, ...]
    messages: int
    leave: bool
    quota_profile: Literal["legacy", "standard", "unlimited"]
    latency_ms: float
    fault_rate: float
    json: bool


def demonstrate(settings: Settings, options: DemoOptions) -> None:
    """Run the demonstration until Ctrl-C (or once with `leave`), then stop every process it started.

    Raises:
        BackupError: the cluster or the backup failed.
    """
    watch_signals()
    source = [f"--mail={path}" for path in options.mail] or [f"--generate={options.messages}", "--hostile"]
    behaviour = [
        f"--quota-profile={options.quota_profile}",
        f"--latency-ms={options.latency_ms}",
        f"--fault-rate={options.fault_rate}",
    ]
    with notes.status("Reading mail"):
        simulator = start_simulator([*source, *behaviour])
    with simulator as gmail:
        gmail_config = settings.gmail.model_copy(
            update={
                "endpoint": gmail,
                "token_uri": f"{gmail}/token",
                "quota_profile": options.quota_profile,
                "paid_tier": True,  # so the simulator's legacy profile stays
            }
        )
        settings = settings.model_copy(update={"gmail": gmail_config})
        with (
            notes.status("Starting") as status,
            local_cluster(settings, lambda what: status.update(f"Starting {what}")) as cluster,
        ):
            status.stop()
            _show(settings, options, gmail, cluster)


def _show(settings: Settings, options: DemoOptions, gmail: str, cluster: LocalCluster) -> None:
    stores = cluster.stores
    users = [
        stores.add_account(entry["email"], _get(f"{gmail}/_sim/users/{entry['email']}/authorized-user"))
        for entry in json.loads(_get(f"{gmail}/_sim/users"))
    ]
    if cluster.swept:
        notes.print(f"Deleted {len(cluster.swept)} uncommitted files of an interrupted run.")
    result = backfill(stores, cluster.dashboard, users, wait=True, mode=Mode.INCREMENTAL)
    assert result is not None
    summary = {**_summary(settings, cluster, users, result), "gmail": gmail}
    key = new_key()
    stores.control.save_key(key.key_id, users[0].user_id, "owner", key.secret_hash, None)
    try:
        summary["api_key"] = None if options.leave else key.text.get_secret_value()
        summary["web"] = None if options.leave else _link(cluster, users[0], key.key_id)
        if options.json:
            print_json(summary)
        else:
            _print(summary)
        if not options.leave:
            notes.print("Press Ctrl-C to stop the demonstration.")
            wait_for_stop()
    finally:
        stores.control.revoke_key(key.key_id)
        notes.print("Stopping …")


def _link(cluster: LocalCluster, user: User, key_id: str) -> str:
    """The address that opens the web interface, signed in. The code is in the fragment, which browsers do not send."""
    principal = Principal(user.user_id, user.email, user.shard_id, "owner")
    return f"{cluster.api}/#code={sign_in_codes.new_code(cluster.stores.control, principal, key_id)}"


def _summary(settings: Settings, cluster: LocalCluster, users: list[User], result: BackfillResult) -> dict[str, Any]:
    stores = cluster.stores
    reader = stores.reader(users[0])
    totals = overview_totals(stores)
    found, took = _timed(lambda: reader.emails(MailQuery("meeting"), limit=3))
    return {
        "messages": result.total_messages,
        "new_messages": result.messages,
        "raw_bytes": result.total_bytes,
        "archive": {"raw_bytes": totals["size_bytes"], "stored_bytes": totals["stored_bytes"]},
        "seconds": round(result.seconds, 2),
        "job_start_seconds": round(result.starting_s, 2),
        "units": result.units,
        "minutes_at_gmails_pace": {
            profile: round(_minutes(result.messages, profile, len(users)), 1) for profile in ("standard", "legacy")
        },
        "defective": sum(stores.reader(user).defective_count() for user in users),
        "defects": [
            {"id": row["id"], "subject": row["subject"], "defects": row["defects"]} for row in reader.defective(5)
        ],
        "mailboxes": [user.email for user in users],
        "top_senders": [{"sender": row["sender"], "messages": row["messages"]} for row in reader.top_senders(5)],
        "search": {
            "query": "meeting",
            "milliseconds": round(took * 1000, 1),
            "subjects": [item.subject for item in found.items],
        },
        "docs": f"{cluster.api}/docs",
        "dashboard": cluster.dashboard,
        "dashboard_token": str(stores.home.run / "ray.token"),
        "home": str(settings.home),
    }


def _print(summary: dict[str, Any]) -> None:
    pace = summary["minutes_at_gmails_pace"]
    archive = summary["archive"]
    ratio = archive["stored_bytes"] / max(archive["raw_bytes"], 1)
    others = (
        f" of all mailboxes ({size(archive['raw_bytes'])} of mail)"
        if archive["raw_bytes"] != summary["raw_bytes"]
        else ""
    )
    lines = [
        "",
        f"  {count(summary['messages'])} messages backed up ({count(summary['new_messages'])} new) in "
        f"{summary['seconds']:.1f} s from {_mailboxes(len(summary['mailboxes']))} "
        f"(plus {summary['job_start_seconds']:.1f} s to start the job)",
        f"  {size(summary['raw_bytes'])} of mail; "
        f"the archive{others} takes {size(archive['stored_bytes'])} ({ratio:.0%})",
        f"  {count(summary['units'])} quota units; Gmail's own limits allow this in "
        f"{pace['standard']:g} min (standard) or {pace['legacy']:g} min (legacy)",
    ]
    if summary["defective"]:
        lines.append(f"  {count(summary['defective'])} messages with MIME defects, stored unchanged, for example:")
        lines += [
            f"      {row['id']}  {', '.join(row['defects'])}  {row['subject'][:60]}" for row in summary["defects"]
        ]
    lines += ["", "  Top senders"]
    lines += [f"    {count(row['messages']):>8}  {row['sender']}" for row in summary["top_senders"]]
    search = summary["search"]
    lines += ["", f"  Search for {search['query']!r} ({search['milliseconds']:.0f} ms)"]
    lines += [f"      {subject[:90]}" for subject in search["subjects"]] or ["      no results"]
    lines += ["", f"  API documentation  {summary['docs']}", f"  Ray dashboard      {summary['dashboard']}"]
    lines += [f"                     (sign in with the token in {summary['dashboard_token']})"]
    if summary["api_key"]:
        lines.append(f"  API key            {summary['api_key']}  (valid until the demonstration ends)")
    lines += [f"  Data               {summary['home']}"]
    if summary["web"]:
        lines += ["", f"  Look around        {summary['web']}"]
        lines += ["                     (signs in once, within 15 minutes; afterwards, sign in with the API key)"]
    lines += [""]
    for line in lines:
        notes.print(line, markup=False, soft_wrap=True)


def _mailboxes(number: int) -> str:
    return "1 mailbox" if number == 1 else f"{number} mailboxes"


def _minutes(messages: int, profile: Literal["standard", "legacy"], mailboxes: int) -> float:
    """Minutes that fetching `messages` takes at Gmail's limit per user, all mailboxes in parallel."""
    limits = PROFILES[profile]
    assert limits.units_per_minute_per_user
    return messages * limits.costs["messages.get"] / (limits.units_per_minute_per_user * mailboxes)


def _timed(ask: Any) -> tuple[Any, float]:
    started = time.monotonic()
    return ask(), time.monotonic() - started


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own simulator, on loopback
        content: bytes = answer.read()
        return content

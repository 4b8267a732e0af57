"""Checks of the work: waits, refused grants, failed messages, late mailboxes, expiring keys, mixed releases."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.doctor.finding import Check, Finding, Level
from storage.control.control import Control
from storage.control.nodes import Nodes
from storage.control.wait_reasons import WaitReasons
from storage.db.engines import Databases
from storage.fleet import shard_status

#: Time since its last sync from which a mailbox counts as late.
_LATE = timedelta(hours=6)
#: Days before an API key's end from which it is reported.
_EXPIRES_SOON = timedelta(days=14)
#: Mailboxes that are named; the rest is counted.
_NAMED = 5


def checks(databases: Databases, running: bool) -> list[Check]:
    """The checks of the work. running: a cluster runs on this home."""
    return [
        ("mailboxes", lambda: mailboxes(databases, running)),
        ("waits", lambda: waits(databases)),
        ("API keys", lambda: api_keys(databases)),
        ("releases", lambda: releases(databases)),
    ]


def mailboxes(databases: Databases, running: bool) -> Iterator[Finding]:
    """No mailbox is refused, quarantined, incomplete or late."""
    every = shard_status.mailboxes(databases, Control(databases.control).shards())
    now, good = datetime.now(UTC), True
    late = "see `gbm status` for what they wait for" if running else "start the cluster with `gbm up`"
    groups: Mapping[str, tuple[list[str], Level, str]] = {
        "have an error": (
            [_named(facts) for facts in every if facts["error"]],
            Level.ERROR,
            "see the error; `gbm accounts login EMAIL` renews a refused grant",
        ),
        "have messages that could not be stored": (
            [f"{facts['email']} ({facts['failed']})" for facts in every if facts["failed"]],
            Level.WARNING,
            "`gbm failures` lists them with reasons; they are retried automatically",
        ),
        "were not synced for hours": (
            [facts["email"] for facts in every if _is_late(facts, now)],
            Level.WARNING,
            late,
        ),
        "have never been complete": (
            [facts["email"] for facts in every if facts["synced_at"] is None and facts["phase"] != "paused"],
            Level.WARNING,
            late if not running else "run `gbm backfill --all --wait`, or see `gbm status` for what they wait for",
        ),
    }
    for what, (names, level, remedy) in groups.items():
        if names:
            good = False
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield Finding("mailboxes", level, f"{len(names)} {what}: {', '.join(names[:_NAMED])}{more}", remedy)
    if good:
        yield Finding("mailboxes", Level.OK, f"{len(every)} mailboxes without errors")


def waits(databases: Databases) -> Iterator[Finding]:
    """Nothing waits."""
    reasons = WaitReasons(databases.control).all()
    for reason in reasons[:_NAMED]:
        where = f"shard {reason.shard_id}" + (f", user {reason.user_id}" if reason.user_id else "")
        document = reason.as_json()
        detail = f"{where} waits since {document['since']}: {document['detail']}"
        yield Finding("waits", Level.WARNING, detail, str(document["remedy"]))
    if len(reasons) > _NAMED:
        yield Finding("waits", Level.WARNING, f"{len(reasons) - _NAMED} further wait reasons", "see `gbm status`")
    if not reasons:
        yield Finding("waits", Level.OK, "no shard or mailbox waits")


def api_keys(databases: Databases) -> Iterator[Finding]:
    """No API key in use ends soon."""
    now = datetime.now(UTC)
    ending = [
        key
        for key in Control(databases.control).keys()  # noqa: SIM118 - not a dictionary
        if key.revoked_at is None and key.expires_at is not None and now < key.expires_at < now + _EXPIRES_SOON
    ]
    for key in ending[:_NAMED]:
        assert key.expires_at is not None
        detail = f"the key {key.key_id} of {key.email} ends on {key.expires_at:%Y-%m-%d}"
        yield Finding("API keys", Level.WARNING, detail, f"create a new one: `gbm keys create {key.email}`")
    if not ending:
        yield Finding("API keys", Level.OK, f"none ends within {_EXPIRES_SOON.days} days")


def releases(databases: Databases) -> Iterator[Finding]:
    """All processes that work on the archive are of one release."""
    programs = sorted({node.program for node in Nodes(databases.control).living()})
    if len(programs) > 1:
        detail = f"processes of several releases run: {', '.join(programs)}; new file formats wait for the oldest"
        yield Finding("releases", Level.WARNING, detail, "finish the upgrade on every machine")
    else:
        yield Finding("releases", Level.OK, programs[0] if programs else "no process is running")


def _named(facts: Mapping[str, Any]) -> str:
    return f"{facts['email']} ({facts['error']})"


def _is_late(facts: Mapping[str, Any], now: datetime) -> bool:
    synced_at: datetime | None = facts["synced_at"]
    return synced_at is not None and now - synced_at > _LATE and facts["phase"] != "paused"

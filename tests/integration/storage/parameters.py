"""A value for every parameter of every named query, so that each can be asked, or its plan looked at."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from storage.db.sql_files import postgres_sql

NOW = datetime.now(UTC)


def _all(names: tuple[str, ...], value: object) -> dict[str, Any]:
    return dict.fromkeys(names, value)


#: By the parameter's name, where it means the same in every query.
VALUES: dict[str, Any] = {
    **_all(
        ("user_id", "message_id", "thread_id", "after_id", "segment_id", "epoch", "campaign_id", "first", "last"), 7
    ),
    **_all(("shard_id", "run", "attempts", "after", "estimate", "size_bytes", "raw_bytes"), 1),
    **_all(("parquet_bytes", "words_bytes", "defective", "messages", "cursor", "pinned", "units"), 1),
    **_all(("owner", "cluster", "name", "error", "actor", "action", "subject", "detail", "versions"), '{"a": 1}'),
    **_all(("user_ids", "message_ids", "history_ids", "shard_ids", "part_ids", "base_offsets", "segment_ids"), [7]),
    **_all(("thread_ids",), [7]),
    **_all(("frame_offsets", "frame_bytes", "raw_offsets"), [7]),
    **_all(("first_at", "last_at", "since", "as_of", "after_at"), NOW - timedelta(days=3)),
    **_all(("changes", "mondays"), [NOW]),
    **_all(("until", "before_at", "not_before"), NOW),
    **_all(("secret_hash", "token_hash", "sealed", "fingerprint"), b"\x00"),
    **_all(("key_id", "kid", "domain", "admin", "email", "requested_by", "request_key", "table"), "text"),
    **_all(("names", "types", "label_ids", "labels", "reasons", "errors", "states", "with_labels"), ["A"]),
    **_all(("import_id", "source"), "text"),
    **_all(("stored", "duplicates", "position"), 1),
    **_all(("positions",), [7]),
    **_all(("origins",), ["A"]),
    **_all(("file_names",), ["A"]),
    **_all(("sizes",), [1]),
    **_all(("digests",), [b"\x00"]),
    **_all(("kinds", "visibilities", "colors", "items", "places"), ["A"]),
    **_all(("reading_from",), 1),
    **_all(("reconciled",), False),
    **_all(("data",), ["{}"]),
    **_all(("afters",), [7]),
    "of_nobody": False,
    **_all(("deleted", "redeleted", "is_on"), [False]),
    "confirmed": [None],
    **_all(("with_deleted", "vanished", "synced", "listed", "running", "ended"), False),
    **_all(("expires_at", "resume", "scopes"), None),
    **_all(("ttl_s", "grace_s"), 60.0),
    **_all(("excluded", "reason", "moving", "moved"), "text"),
    **_all(("created_at", "changed_from", "listed_at", "synced_at"), NOW),
    **_all(("event_id", "number"), 7),
    **_all(("for_ever", "removed", "as_written"), False),
    "before": NOW,
    **_all(("node_id", "program"), "text"),
    "formats": '{"raw": 1}',
    "bucket": "month",
    "zone": "Asia/Kathmandu",
    "before_id": 7,
    "day": date(2026, 11, 24),
    "family": "5a4a0b3e-8b7e-4b63-a3de-1d0f3ed9a6b5",
    "limit": 50,
    "mode": "full",
    "phase": "current",
    "role": "owner",
    "state": "running",
    "among": ["running"],
    "without_labels": ["SPAM"],
}
#: By query, where it means something else.
OF_QUERY: dict[str, dict[str, Any]] = {
    "outbox_insert": {"versions": [1]},
    "outbox_forward": {"versions": [1], "times": [NOW], "until": 7},
    "campaign_mailboxes_insert": {"listed_before": [NOW], "messages_before": [1], "synced_before": [NOW]},
    "import_begin": {"fingerprint": "text"},
    "campaigns": {"before": None, "campaign_id": None},
    "failed_upsert": {"attempts": [1], "not_before": [NOW]},
    "rollup_events": {"event_id": 99_900},  # of 100,000: a roll-up reads what is new
    "segment_users_insert": {"messages": [1], "size_bytes": [1], "first_at": [NOW], "last_at": [NOW]},
    "stored_labels": {"before": 9},
}


def forms(statement: str, as_of: str) -> list[str]:
    """What is sent of a query: with every text that is put in for its placeholders. `as_of`: messages_as_of.sql."""
    statement = statement.replace("{selected}", f"({postgres_sql('selected')})")
    tables = ("messages", f"({as_of})") if "{messages}" in statement else ("",)
    chosen = ("TRUE", "m.message_id = ANY(CAST(:message_ids AS bigint[]))") if "{chosen}" in statement else ("",)
    return [
        statement.replace("{messages}", table).replace("{chosen}", choice).replace("{condition}", "TRUE")
        for table in tables
        for choice in chosen
    ]


def values_of(name: str, statement: str) -> dict[str, Any]:
    """A value of each parameter that a statement has."""
    names = set(re.findall(r"(?<![:\w]):([a-z_]+)", statement))
    known = VALUES | OF_QUERY.get(name, {})
    return {parameter: known[parameter] for parameter in names}

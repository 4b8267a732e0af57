"""No query reads a large table whole, but those that say why: every plan, on a shard database with much in it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, text

from storage.config import PostgresConfig
from storage.db import migrate, sql_files
from storage.db.engines import Databases, transaction
from storage.db.migrate import create_database
from storage.db.sql_files import postgres_sql
from tests.integration.storage.parameters import forms, values_of

QUERIES = frozenset(path.stem for path in (sql_files.FOLDER / "postgres").glob("*.sql"))
#: Of the control database, whose tables have a row per account, key, campaign or change of them.
CONTROL = frozenset(
    {"api_key_principal", "api_key_revoke", "api_key_save", "api_keys", "audit_append", "audit_entries"}
    | {"campaign_create", "campaign_elsewhere", "campaign_mailboxes", "campaign_mailboxes_end"}
    | {"campaign_mailboxes_insert", "campaign_move", "campaign_reopen", "campaign_same", "campaigns"}
    | {"credentials_save", "domain_save", "quota_day", "refresh_family_end", "refresh_token_save"}
    | {"refresh_token_use", "signing_key_first", "user_add", "user_by_email", "user_remove", "users"}
    | {"rebuild_user", "rebuild_user_ids", "shard_moves", "signing_key_next", "signing_keys_forget", "revocations"}
    | {"grant_create", "grants_list", "users_page", "audit_newest"}
    | {"credentials", "credentials_delete", "domain_credentials", "refresh_tokens_of_keys_delete", "secrets_exist"}
    | {"shards", "signing_keys", "signing_keys_lock", "user_email", "user_is_active", "user_is_paused", "user_pause"}
    | {"users_lock", "users_paused", "session_end", "user_bind_google"}
    | {"wait_reasons", "wait_reasons_clear", "wait_reasons_insert", "wait_reasons_lock", "wait_reasons_newer"}
    | {"wait_reasons_clear_silent", "file_formats", "file_formats_raise", "node_announce", "node_leave", "nodes"}
    | {"nodes_forget", "nodes_lock", "quota_reserve", "quota_reserve_day", "quota_reserved", "quota_exhausted"}
    | {"event_shards", "events_to_forward"}
    | {name for name in QUERIES if name.startswith(("dead_letter", "offset", "webhook"))}
    | {
        "restore_again",
        "restore_create",
        "restore_earlier",
        "restore_intents",
        "restore_label_save",
        "restore_messages",
    }
    | {"restore_messages_insert", "restore_move", "restore_outcomes", "restore_report", "restores"}
)
#: Without a plan, or not of the product, and why.
WITHOUT = {
    "drop_everything": "no plan: DO",
    "messages_as_of": "a part of others, which are looked at with it",
    "one_snapshot": "no plan: SET TRANSACTION",
    "partitions": "of the system's catalogue",
    "rebuild_events": "about temporary tables, in a database that serves nobody yet",
    "rebuild_lost": "about temporary tables, in a database that serves nobody yet",
    "rebuild_stage": "no plan: CREATE TABLE",
    "reseal": "a template, for each table of secrets",
    "sealed_count": "a template, for each table of secrets",
    "sealed_values": "a template, for each table of secrets",
    "server_rights": "of the system's catalogue",
    "selected": "a part of others, which are looked at with it",
    "rebuild_states": "about temporary tables, in a database that serves nobody yet",
    "rebuild_threads": "about temporary tables, in a database that serves nobody yet",
}
#: For operators: about a whole database, so that every row is wanted.
WHOLE = {
    "archive_names": "every file of a database that is checked against its archive",
    "index_of_user": "every row of a mailbox whose files and index disagree",
    "label_events_all": "the export of the whole log",
    "rebuild_counts": "everything is counted anew, in a database that serves nobody yet",
    "rebuild_filled": "whether there is one row: stops at the first",
    "rebuild_users_found": "everybody is looked for, in a database that serves nobody yet",
    "rollup_lags": "every shard of a database, for operators",
    "segments_all": "totals over every segment",
    "segments_to_verify_of_user": "every file of a mailbox, of which all are read afterwards",
    "shards_known": "every shard of a database that is restored, before it serves",
    "states_all": "the export of every message's state",
}
SHARD = QUERIES - CONTROL - WITHOUT.keys()
#: With their partitions. Failed items are few: those of the present.
LARGE = ("messages", "segment_users", "label_events", "outbox", "failed_history", "segments")

FILL = (
    "INSERT INTO mailboxes (user_id, shard_id, email) SELECT u, u % 16, 'user' || u FROM generate_series(1, 200) AS u",
    """
    INSERT INTO segments (name, shard_id, epoch, messages, size_bytes, raw_bytes, parquet_bytes, defective,
        moved_to, retired_at)
    SELECT 'segment-' || s, s % 16, 1, 40, 1000 + s, 1000, 100, 0,
        CASE WHEN s % 10 = 0 THEN s - 1 END, CASE WHEN s % 10 = 0 THEN now() - interval '1 day' END
    FROM generate_series(1, 5000) AS s
    """,
    """
    INSERT INTO segment_users (user_id, segment_id, messages, size_bytes, first_at, last_at)
    SELECT 1 + (s * 7 + k * 20) % 200, s, 4, 1000, now() - (s + 30) * interval '2 hours', now() - s * interval '2 hours'
    FROM generate_series(1, 5000) AS s, generate_series(1, 10) AS k
    """,
    """
    INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes, sha256,
        segment_id, frame_offset, frame_bytes, raw_offset, stored_at, changed_at)
    SELECT 1 + n % 200, n, n, n, now() - n * interval '3 minutes', ARRAY['INBOX', 'L' || n % 9], 5000, '\\x00',
        1 + n % 5000, n, 100, 0, now() - n * interval '3 minutes', CASE WHEN n % 4 = 0 THEN now() END
    FROM generate_series(1, 200000) AS n
    """,
    """
    INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id, observed_at)
    SELECT 1 + n % 200, n, 'INBOX', true, n, now() - n * interval '3 minutes' FROM generate_series(1, 100000) AS n
    """,
    """
    INSERT INTO failed_items (user_id, message_id, attempts, error, not_before)
    SELECT 1 + n % 200, n, 1, 'HTTP 500', now() FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO failed_history (user_id, message_id, attempts, error, first_at, settled_at, outcome)
    SELECT 1 + n % 200, n, 1, 'HTTP 500', now(), now(), 'stored' FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO outbox (shard_id, user_id, type, data, created_at, position)
    SELECT n % 16, 1 + n % 200, 'email.received', '{}', now() + n % 80 * interval '1 day', n
    FROM generate_series(1, 50000) AS n
    """,
)


@pytest.fixture(scope="module")
def engine(postgres: Any) -> Iterator[Engine]:
    """A large shard database."""
    for name in ("plans", "plans_shard"):
        create_database(postgres.dsn(name))
    dsns = SecretStr(postgres.dsn("plans")), SecretStr(postgres.dsn("plans_shard"))
    databases = Databases(PostgresConfig(control_dsn=dsns[0], shard_dsns=dsns[1:]))
    migrate.upgrade(databases, shards=16)
    engine = databases.shard_database(0)
    with transaction(engine) as connection:
        for statement in FILL:
            connection.execute(text(statement))
    with transaction(engine) as connection:
        connection.execute(text("ANALYZE"))
    yield engine
    databases.close()


def sequential(plan: dict[str, Any]) -> Iterator[str]:
    """The large tables that a plan reads whole."""
    if plan["Node Type"] == "Seq Scan" and plan["Relation Name"].startswith(LARGE):
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from sequential(part)


def plan_of(engine: Engine, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    with transaction(engine) as connection:
        found: dict[str, Any] = connection.execute(text(f"EXPLAIN (FORMAT JSON) {statement}"), values).scalar_one()[0]
        return found["Plan"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", sorted(SHARD))
def test_a_query_reads_no_large_table_whole(engine: Engine, name: str) -> None:
    for statement in forms(postgres_sql(name), postgres_sql("messages_as_of")):
        found = {*sequential(plan_of(engine, statement, values_of(name, statement)))}
        assert not found or name in WHOLE, f"{name}.sql reads {found} whole"


def test_events_are_read_on_by_their_index(engine: Engine) -> None:
    statement = "SELECT * FROM outbox WHERE event_id > :after ORDER BY event_id LIMIT 100"
    assert not [*sequential(plan_of(engine, statement, {"after": 1}))]


def test_every_list_names_files_that_there_are() -> None:
    assert CONTROL | WITHOUT.keys() | WHOLE.keys() <= QUERIES
    assert not CONTROL & WITHOUT.keys()

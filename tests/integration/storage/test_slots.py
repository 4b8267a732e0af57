"""The counts by half an hour and by label are those of the message index, whatever writes it."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import Connection, text

from storage.config import PostgresConfig
from storage.db import migrate
from storage.db.engines import Databases, transaction
from storage.model.records import DELETED
from tests.integration.storage.db.test_migrations import at_revision
from tests.integration.storage.factory import NOON, Mail, Shard

KEPT = (
    "SELECT user_id, slot_at, messages, size_bytes, deleted, unread, sent FROM message_slots WHERE messages <> 0 OR"
    " size_bytes <> 0 OR deleted <> 0 OR unread <> 0 OR sent <> 0 ORDER BY 1, 2",
    "SELECT user_id, day_at, messages, size_bytes, deleted, unread, sent FROM message_days WHERE messages <> 0 OR"
    " size_bytes <> 0 OR deleted <> 0 OR unread <> 0 OR sent <> 0 ORDER BY 1, 2",
    "SELECT user_id, label_id, messages, unread, size_bytes FROM label_sums WHERE messages <> 0 OR unread <> 0 OR"
    " size_bytes <> 0 ORDER BY 1, 2",
)
COUNTED = (
    """
    SELECT user_id, to_timestamp(floor(extract(epoch FROM received_at) / 1800) * 1800), count(*), sum(size_bytes),
        count(deleted_at), count(*) FILTER (WHERE deleted_at IS NULL AND 'UNREAD' = ANY(labels)),
        count(*) FILTER (WHERE deleted_at IS NULL AND 'SENT' = ANY(labels))
    FROM messages GROUP BY 1, 2 ORDER BY 1, 2
    """,
    """
    SELECT user_id, to_timestamp(floor(extract(epoch FROM received_at) / 86400) * 86400), count(*), sum(size_bytes),
        count(deleted_at), count(*) FILTER (WHERE deleted_at IS NULL AND 'UNREAD' = ANY(labels)),
        count(*) FILTER (WHERE deleted_at IS NULL AND 'SENT' = ANY(labels))
    FROM messages GROUP BY 1, 2 ORDER BY 1, 2
    """,
    """
    SELECT user_id, label_id, count(*), count(*) FILTER (WHERE 'UNREAD' = ANY(labels)), sum(size_bytes)
    FROM messages, unnest(labels) AS label_id WHERE deleted_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2
    """,
)
LABELS = st.sampled_from(["INBOX", "UNREAD", "SENT", "Label_1"])
stored = st.lists(
    st.builds(
        lambda minutes, labels, text: (minutes, tuple(sorted(labels)), text),
        st.integers(-90, 90),
        st.frozensets(LABELS),
        st.text("ab", max_size=5),
    ),
    max_size=4,
)
told = st.lists(
    st.tuples(st.integers(1, 12), LABELS | st.just(DELETED), st.booleans()), max_size=5, unique_by=lambda t: t[:2]
)


def agrees(connection: Connection) -> bool:
    """Whether what is kept is what counting gives, and there is something."""
    kept, counted = (
        [[tuple(row) for row in connection.execute(text(query))] for query in queries] for queries in (KEPT, COUNTED)
    )
    assert kept == counted
    return bool(kept[0])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(stored, told), min_size=1, max_size=4))
def test_counts_follow_every_commit(
    new_shard: Callable[[], Shard],
    steps: list[tuple[list[tuple[int, tuple[str, ...], str]], list[tuple[int, str, bool]]]],
) -> None:
    shard = new_shard()
    user, number = shard.user(), 0
    for step, (mails, changes) in enumerate(steps):
        made = []
        for minutes, labels, words in mails:
            number += 1
            made.append(Mail(number, text=words, labels=labels, received_at=NOON + timedelta(minutes=minutes)))
        if made:
            shard.store(user, *made)
        if changes:
            shard.change(user, *changes, history_id=20 + step)
    with transaction(shard.engine) as connection:
        agrees(connection)


def test_counts_follow_what_is_deleted_and_emptied(new_database: Callable[[], str]) -> None:
    databases = Databases(
        PostgresConfig(control_dsn=SecretStr(new_database()), shard_dsns=(SecretStr(new_database()),))
    )
    engine = databases.shard_database(0)
    at_revision(engine, "0009")
    fill = text(
        "INSERT INTO messages (user_id, message_id, thread_id, history_id, received_at, labels, size_bytes,"
        " sha256, segment_id, frame_offset, frame_bytes, raw_offset)"
        " SELECT n % 2, n, n, 9, now() - n * interval '7 minutes',"
        " ARRAY['A', CASE n % 3 WHEN 0 THEN 'UNREAD' ELSE 'SENT'"
        " END], n, '', 1, 0, 1, 0 FROM generate_series(CAST(:first AS bigint), :last) AS n"
    )
    with transaction(engine) as connection:
        connection.execute(fill, {"first": 1, "last": 50})
    migrate.upgrade(databases, shards=1)  # counts what is there
    with transaction(engine) as connection:
        assert agrees(connection)
        connection.execute(fill, {"first": 51, "last": 80})
        assert agrees(connection)
        connection.execute(text("UPDATE messages SET segment_id = 2, frame_offset = 7"))
        assert agrees(connection)
        connection.execute(text("UPDATE messages SET deleted_at = now() WHERE message_id % 5 = 0"))
        assert agrees(connection)
        connection.execute(text("DELETE FROM messages WHERE message_id % 4 = 0 OR user_id = 1"))
        assert agrees(connection)
        assert not connection.execute(text("SELECT count(*) FROM message_slots WHERE messages = 0")).scalar()
        connection.execute(text("TRUNCATE messages"))
        assert not agrees(connection)
    databases.close()

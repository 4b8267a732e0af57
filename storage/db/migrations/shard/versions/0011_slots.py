"""Counts of every mailbox's messages by half hour, day and label, maintained by triggers on the message index.

With triggers, every writer of the index updates the counts in the same transaction: commits, the previous release,
moves of shards, restores. A statement costs one pass over its rows.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = (
    """
    CREATE TABLE message_slots (
        user_id    bigint NOT NULL,
        slot_at    timestamptz NOT NULL,   -- the beginning of half an hour of UTC
        messages   integer NOT NULL,       -- received in it, deleted ones too
        size_bytes bigint NOT NULL,
        deleted    integer NOT NULL,
        unread     integer NOT NULL,       -- not deleted
        sent       integer NOT NULL,       -- not deleted
        PRIMARY KEY (user_id, slot_at)
    ) WITH (fillfactor = 80)
    """,
    """
    CREATE TABLE message_days (
        user_id    bigint NOT NULL,
        day_at     timestamptz NOT NULL,   -- the beginning of a day of UTC
        messages   integer NOT NULL,       -- as of message_slots
        size_bytes bigint NOT NULL,
        deleted    integer NOT NULL,
        unread     integer NOT NULL,
        sent       integer NOT NULL,
        PRIMARY KEY (user_id, day_at)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE label_sums (
        user_id    bigint NOT NULL,
        label_id   text NOT NULL,
        messages   integer NOT NULL,       -- that carry it and are not deleted
        unread     integer NOT NULL,
        size_bytes bigint NOT NULL,
        PRIMARY KEY (user_id, label_id)
    ) WITH (fillfactor = 50)
    """,
)

#: {turned}: rows of messages with a sign: 1 for new rows, -1 for old rows.
_TIMES = """
    INSERT INTO {table} AS s (user_id, {column}, messages, size_bytes, deleted, unread, sent)
    SELECT
        user_id,
        date_bin('{width}', received_at, TIMESTAMPTZ '2000-01-01 00:00:00Z'),
        sum(sign),
        sum(sign * size_bytes),
        coalesce(sum(sign) FILTER (WHERE deleted_at IS NOT NULL), 0),
        coalesce(sum(sign) FILTER (WHERE deleted_at IS NULL AND labels @> ARRAY['UNREAD']), 0),
        coalesce(sum(sign) FILTER (WHERE deleted_at IS NULL AND labels @> ARRAY['SENT']), 0)
    FROM ({turned}) AS turned
    GROUP BY 1, 2
    HAVING sum(sign) <> 0
        OR sum(sign * size_bytes) <> 0
        OR coalesce(sum(sign) FILTER (WHERE deleted_at IS NOT NULL), 0) <> 0
        OR coalesce(sum(sign) FILTER (WHERE deleted_at IS NULL AND labels @> ARRAY['UNREAD']), 0) <> 0
        OR coalesce(sum(sign) FILTER (WHERE deleted_at IS NULL AND labels @> ARRAY['SENT']), 0) <> 0
    ORDER BY 1, 2
    ON CONFLICT (user_id, {column}) DO UPDATE
    SET messages = s.messages + excluded.messages,
        size_bytes = s.size_bytes + excluded.size_bytes,
        deleted = s.deleted + excluded.deleted,
        unread = s.unread + excluded.unread,
        sent = s.sent + excluded.sent
"""
_LABELS = """
    INSERT INTO label_sums AS s (user_id, label_id, messages, unread, size_bytes)
    SELECT
        user_id,
        label_id,
        sum(sign),
        coalesce(sum(sign) FILTER (WHERE labels @> ARRAY['UNREAD']), 0),
        sum(sign * size_bytes)
    FROM ({turned}) AS turned, unnest(labels) AS label_id
    WHERE deleted_at IS NULL
    GROUP BY 1, 2
    HAVING sum(sign) <> 0
        OR sum(sign * size_bytes) <> 0
        OR coalesce(sum(sign) FILTER (WHERE labels @> ARRAY['UNREAD']), 0) <> 0
    ORDER BY 1, 2
    ON CONFLICT (user_id, label_id) DO UPDATE
    SET messages = s.messages + excluded.messages,
        unread = s.unread + excluded.unread,
        size_bytes = s.size_bytes + excluded.size_bytes
"""
_ROWS = "SELECT {sign} AS sign, user_id, received_at, labels, size_bytes, deleted_at FROM {table}"
_FRESH, _GONE = _ROWS.format(sign=1, table="fresh"), _ROWS.format(sign=-1, table="gone")
#: A compaction's updates add up to zero: then no counts are written.
_BOTH = f"{_FRESH} UNION ALL {_GONE}"


def _statements(turned: str) -> tuple[str, ...]:
    return (
        _TIMES.format(table="message_slots", column="slot_at", width="30 minutes", turned=turned),
        _TIMES.format(table="message_days", column="day_at", width="1 day", turned=turned),
        _LABELS.format(turned=turned),
    )


def _count_sql(turned: str) -> str:
    return "".join(f"{statement};" for statement in _statements(turned))


FUNCTION = f"""
    CREATE FUNCTION count_messages() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            {_count_sql(_FRESH)}
        ELSIF TG_OP = 'UPDATE' THEN
            {_count_sql(_BOTH)}
        ELSIF TG_OP = 'DELETE' THEN
            {_count_sql(_GONE)}
            DELETE FROM message_slots WHERE messages = 0 AND user_id IN (SELECT DISTINCT user_id FROM gone);
            DELETE FROM message_days WHERE messages = 0 AND user_id IN (SELECT DISTINCT user_id FROM gone);
            DELETE FROM label_sums WHERE messages = 0 AND user_id IN (SELECT DISTINCT user_id FROM gone);
        ELSE
            DELETE FROM message_slots;
            DELETE FROM message_days;
            DELETE FROM label_sums;
        END IF;
        RETURN NULL;
    END
    $$
"""  # noqa: S608 - made of what stands above
TRIGGERS = (
    "CREATE TRIGGER messages_counted_in AFTER INSERT ON messages REFERENCING NEW TABLE AS fresh"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_messages()",
    "CREATE TRIGGER messages_counted_anew AFTER UPDATE ON messages REFERENCING OLD TABLE AS gone NEW TABLE AS fresh"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_messages()",
    "CREATE TRIGGER messages_counted_out AFTER DELETE ON messages REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION count_messages()",
    "CREATE TRIGGER messages_forgotten AFTER TRUNCATE ON messages FOR EACH STATEMENT EXECUTE FUNCTION count_messages()",
)


def upgrade() -> None:
    """Count the existing messages, and create the triggers. Blocks writers for some seconds per million messages."""
    op.execute("LOCK TABLE messages IN SHARE ROW EXCLUSIVE MODE")
    for statement in (*TABLES, FUNCTION, *TRIGGERS):
        op.execute(statement)
    for statement in _statements(_ROWS.format(sign=1, table="messages")):
        op.execute(statement)

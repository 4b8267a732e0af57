"""Partitions events and the history of failed messages by time, so that old rows are dropped with their table.

Existing events are not copied: their table becomes the partition of all rows before next week. Writers of the previous
release continue to work: they insert into the same names, and the event id has a default.
"""

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    "LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE",
    "ALTER TABLE outbox RENAME TO outbox_before",
    "ALTER TABLE outbox_before RENAME CONSTRAINT outbox_pkey TO outbox_before_pkey",
    # Not an identity column: partitioned tables cannot have one before PostgreSQL 17.
    "CREATE SEQUENCE outbox_event_ids",
    "SELECT setval('outbox_event_ids', (SELECT last_value FROM outbox_event_id_seq), true)",
    """
    CREATE TABLE outbox (
        event_id   bigint NOT NULL DEFAULT nextval('outbox_event_ids'),
        shard_id   integer NOT NULL,
        user_id    bigint,
        type       text NOT NULL,
        version    integer NOT NULL DEFAULT 1,
        data       jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (event_id, created_at)     -- of every partition: events are read after an event_id
    ) PARTITION BY RANGE (created_at)          -- storage/db/partitions.py makes and drops them
    """,
    "ALTER SEQUENCE outbox_event_ids OWNED BY outbox.event_id",
    "CREATE TABLE outbox_default PARTITION OF outbox DEFAULT",
    """
    CREATE TABLE failed_history (
        user_id    bigint NOT NULL,
        message_id bigint NOT NULL,
        attempts   integer NOT NULL,
        error      text NOT NULL,              -- the last
        first_at   timestamptz NOT NULL,
        settled_at timestamptz NOT NULL DEFAULT now(),
        outcome    text NOT NULL               -- 'stored', or 'gone': Gmail has it no more
    ) PARTITION BY RANGE (settled_at)
    """,
    "CREATE INDEX failed_history_by_user ON failed_history (user_id, settled_at)",
    "CREATE TABLE failed_history_default PARTITION OF failed_history DEFAULT",
    # Retiring and deleting segments (through the foreign key) scanned every row.
    "CREATE INDEX segment_users_by_segment ON segment_users (segment_id)",
)


def upgrade() -> None:
    """Create the partitioned tables; attach the tables of existing events."""
    for statement in STATEMENTS:
        op.execute(statement)
    connection = op.get_bind()
    row = connection.execute(
        text(
            "SELECT count(*) AS events,"
            " date_trunc('week', greatest(max(created_at), now()) AT TIME ZONE 'UTC') + interval '7 days' AS until"
            " FROM outbox_before"
        )
    ).one()
    if not row.events:
        op.execute("DROP TABLE outbox_before")
        return
    op.execute("ALTER TABLE outbox_before ALTER COLUMN event_id DROP IDENTITY")
    op.execute("ALTER TABLE outbox_before ALTER COLUMN event_id SET DEFAULT nextval('outbox_event_ids')")
    op.execute("ALTER TABLE outbox_before DROP CONSTRAINT outbox_before_pkey")
    op.execute("ALTER TABLE outbox_before ADD PRIMARY KEY (event_id, created_at)")
    until = f"{row.until.isoformat()}+00"
    op.execute(f"ALTER TABLE outbox ATTACH PARTITION outbox_before FOR VALUES FROM (MINVALUE) TO ('{until}')")

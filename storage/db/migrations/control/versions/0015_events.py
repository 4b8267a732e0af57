"""Events of the control database, consumers of events with their offsets, and dead letters.

The previous release neither reads nor writes these tables.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    """
    CREATE TABLE event_positions (
        shard_id integer PRIMARY KEY,          -- always -1
        last     bigint NOT NULL
    )
    """,
    """
    CREATE TABLE outbox (
        shard_id   integer NOT NULL,           -- always -1: queries are the same as of a shard's outbox
        user_id    bigint,
        type       text NOT NULL,
        version    integer NOT NULL DEFAULT 1,
        data       jsonb NOT NULL,
        position   bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (position, created_at)
    ) PARTITION BY RANGE (created_at)
    """,
    "CREATE INDEX outbox_by_shard ON outbox (shard_id, position)",
    "CREATE INDEX outbox_by_user ON outbox (user_id, position)",
    "CREATE TABLE outbox_default PARTITION OF outbox DEFAULT",
    """
    CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('gbm_events', '');
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER notify_events AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION notify_events()",
    "ALTER TABLE quota_reservations ADD COLUMN exhausted_at timestamptz",
    """
    CREATE TABLE event_offsets (
        consumer   text NOT NULL,
        shard_id   integer NOT NULL,           -- -1: the control database
        position   bigint NOT NULL,            -- everything up to it was handled, or is a dead letter
        replays    integer NOT NULL DEFAULT 0, -- grows with every replay: a bus that read before it cannot store
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, shard_id)
    )
    """,
    """
    CREATE TABLE dead_letters (
        consumer  text NOT NULL,
        shard_id  integer NOT NULL,
        position  bigint NOT NULL,
        user_id   bigint,
        type      text NOT NULL,
        version   integer NOT NULL,
        data      jsonb NOT NULL,
        at        timestamptz NOT NULL,        -- of the event
        attempts  integer NOT NULL,
        error     text NOT NULL,               -- the last
        failed_at timestamptz NOT NULL DEFAULT now(),
        retry     boolean NOT NULL DEFAULT false, -- an operator wants it delivered again
        PRIMARY KEY (consumer, shard_id, position)
    )
    """,
    """
    CREATE TABLE webhooks (
        webhook_id      text PRIMARY KEY,
        user_id         bigint NOT NULL REFERENCES users,
        url             text NOT NULL,
        types           text[],                -- null: all types
        sealed          bytea NOT NULL,        -- the secret, storage/control/sealing.py
        created_at      timestamptz NOT NULL DEFAULT now(),
        disabled_at     timestamptz,
        disabled_reason text
    )
    """,
    "CREATE INDEX webhooks_by_user ON webhooks (user_id)",
    """
    CREATE TABLE webhook_deliveries (
        webhook_id  text NOT NULL REFERENCES webhooks ON DELETE CASCADE,
        event_id    text NOT NULL,             -- of an event, or of a test
        type        text NOT NULL,
        payload     text NOT NULL,             -- the exact body, the same in every attempt
        state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
        attempts    integer NOT NULL DEFAULT 0,
        next_at     timestamptz NOT NULL DEFAULT now(),
        status      integer,                   -- of the last response
        error       text,                      -- of the last attempt
        created_at  timestamptz NOT NULL DEFAULT now(),
        attempted_at timestamptz,
        PRIMARY KEY (webhook_id, event_id)
    )
    """,
    "CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE state = 'pending'",
    "CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (webhook_id, created_at)",
    "CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

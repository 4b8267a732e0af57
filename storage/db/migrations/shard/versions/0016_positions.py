"""Numbers the events of each shard in the order of their commits, and notifies listeners of new events.

Writers of the previous release continue to work: a trigger numbers their events. Events that exist already keep no
position and are not listed; a move copies them as they are, because the trigger only numbers events of its transaction.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = (
    """
    CREATE TABLE event_positions (
        shard_id  integer PRIMARY KEY,
        last      bigint NOT NULL,             -- microseconds since 1970, or one more than the position before
        forwarded bigint NOT NULL DEFAULT 0    -- position up to which the control database's events were copied here
    )
    """,
    "ALTER TABLE outbox ADD COLUMN position bigint",
    "CREATE INDEX outbox_by_shard ON outbox (shard_id, position) WHERE position IS NOT NULL",
    "CREATE INDEX outbox_by_user ON outbox (user_id, position) WHERE position IS NOT NULL",
    """
    CREATE FUNCTION number_event() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO event_positions AS p (shard_id, last)
        VALUES (NEW.shard_id, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        ON CONFLICT (shard_id) DO UPDATE
        SET last = greatest(p.last + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        RETURNING p.last INTO NEW.position;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER number_event BEFORE INSERT ON outbox FOR EACH ROW
    WHEN (NEW.position IS NULL AND NEW.created_at = now()) EXECUTE FUNCTION number_event()
    """,
    """
    CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('gbm_events', '');
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER notify_events AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION notify_events()",
)


def upgrade() -> None:
    """Add the positions."""
    for statement in STATEMENTS:
        op.execute(statement)

"""The recorded roll-ups, and indexes that find the rows added since."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    # Assigned in the order of a shard's commits, because these hold its lease: a position skips no event.
    "ALTER TABLE label_events ADD COLUMN event_id bigint GENERATED ALWAYS AS IDENTITY",
    "CREATE UNIQUE INDEX label_events_in_order ON label_events (event_id)",
    # A few kilobytes each; they find the pages with new rows.
    "CREATE INDEX messages_stored ON messages USING brin (stored_at) WITH (pages_per_range = 16, autosummarize = on)",
    "CREATE INDEX messages_changed ON messages USING brin (changed_at) WITH (pages_per_range = 16, autosummarize = on)",
    """
    CREATE TABLE rollups (
        shard_id     integer NOT NULL,
        number       bigint NOT NULL,          -- from 1; a higher one is newer
        name         text NOT NULL UNIQUE,     -- of the file, without its ending
        event_id     bigint NOT NULL,          -- label events up to this one are in this file or an earlier one
        changed_from timestamptz NOT NULL,     -- messages stored or changed before are in this file or an earlier one
        fingerprint  bytea NOT NULL,           -- of the small state
        created_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (shard_id, number)
    )
    """,
)


def upgrade() -> None:
    """Create them; the next roll-up of every shard is its first and complete."""
    for statement in STATEMENTS:
        op.execute(statement)

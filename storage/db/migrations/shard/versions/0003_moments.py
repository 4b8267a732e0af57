"""When a message was stored and when its labels last changed, so that a mailbox can be read as of any time.

An older log contains events that did not flip their label; where that can be seen they are deleted. For the first event
of a label it cannot be seen; the event is assumed to have flipped the label.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # now() is one value for all rows that there are, so no row is rewritten before the UPDATE.
    """
    ALTER TABLE messages
        ADD COLUMN stored_at timestamptz NOT NULL DEFAULT now(),  -- when the commit that stored it began
        ADD COLUMN changed_at timestamptz                         -- the last that changed it; null: none did
    """,
    "UPDATE messages AS m SET stored_at = s.created_at FROM segments AS s WHERE m.segment_id = s.segment_id",
    """
    DELETE FROM label_events
    WHERE ctid IN (
        SELECT row_id
        FROM (
            SELECT ctid AS row_id, is_on, lag(is_on) OVER (
                PARTITION BY user_id, message_id, label_id ORDER BY history_id, observed_at
            ) AS was_on
            FROM label_events
        ) AS told
        WHERE is_on = was_on
    )
    """,
    """
    UPDATE messages AS m
    SET changed_at = e.changed_at
    FROM (
        SELECT user_id, message_id, max(observed_at) AS changed_at FROM label_events GROUP BY user_id, message_id
    ) AS e
    WHERE m.user_id = e.user_id AND m.message_id = e.message_id
    """,
)


def upgrade() -> None:
    """Add the columns and fill them from existing data."""
    for statement in STATEMENTS:
        op.execute(statement)

"""What it takes to believe Gmail: since when a message waits and for what, where reading begins, how labels changed.

Writers of the release before go on: every new column has a default or may be null.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    """
    ALTER TABLE failed_items
        ADD COLUMN kind text NOT NULL DEFAULT 'missing'  -- records.FailedKind
    """,
    """
    ALTER TABLE mailboxes
        ADD COLUMN reading_from  bigint,       -- history id at which the next look begins; null: at the cursor
        ADD COLUMN reconciled_at timestamptz   -- when ids and labels were last compared with Gmail's
    """,
    """
    ALTER TABLE messages
        ADD COLUMN fetched_history_id bigint   -- history_id as of the fetch, where it changed since
    """,
    """
    ALTER TABLE labels
        ADD COLUMN visibility text NOT NULL DEFAULT '',  -- message list/label list
        ADD COLUMN color      text NOT NULL DEFAULT ''   -- text/background
    """,
    """
    CREATE TABLE label_history (
        user_id     bigint NOT NULL,
        label_id    text NOT NULL,
        name        text NOT NULL,             -- until observed_at, when another was seen
        type        text NOT NULL,
        visibility  text NOT NULL,
        color       text NOT NULL,
        observed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX label_history_by_user ON label_history (user_id, label_id, observed_at)",
    """
    CREATE TABLE unreadable_items (
        user_id  bigint NOT NULL,
        item     text NOT NULL,                -- what stood in Gmail's answer, shortened
        found_in text NOT NULL,                -- the answer
        times    integer NOT NULL DEFAULT 1,
        first_at timestamptz NOT NULL DEFAULT now(),
        last_at  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, item)
    )
    """,
)


def upgrade() -> None:
    """Add the columns and tables; until now labels kept no history."""
    for statement in STATEMENTS:
        op.execute(statement)

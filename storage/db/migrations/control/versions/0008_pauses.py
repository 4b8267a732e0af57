"""Mailboxes whose owner has paused the backup, until it is resumed."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE users ADD COLUMN paused_at timestamptz")
    op.execute("CREATE INDEX users_paused ON users (shard_id) WHERE paused_at IS NOT NULL")

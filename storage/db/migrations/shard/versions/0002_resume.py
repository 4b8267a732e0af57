"""The phase to which a stopped or revoked mailbox returns, and when a mailbox was last listed whole."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; a mailbox that is stopped was in its full sync."""
    op.execute("ALTER TABLE mailboxes ADD COLUMN resume text, ADD COLUMN listed_at timestamptz")
    op.execute("UPDATE mailboxes SET resume = 'full' WHERE phase = 'stopped'")

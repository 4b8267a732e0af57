"""What a stopped or revoked mailbox goes on with."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; a mailbox that is stopped was in its full sync."""
    op.execute("ALTER TABLE mailboxes ADD COLUMN resume text")
    op.execute("UPDATE mailboxes SET resume = 'full' WHERE phase = 'stopped'")

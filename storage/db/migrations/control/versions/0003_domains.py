"""Domains whose mailboxes one service account can open."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE domains (
            domain   text PRIMARY KEY,             -- lower case
            sealed   bytea NOT NULL,               -- the service account's file, bound to the domain
            admin    text NOT NULL,                -- who may list the domain's users
            added_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )

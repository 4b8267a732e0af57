"""Quota units spent until the start of each day."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE quota_days (
            day      date PRIMARY KEY,             -- Pacific time, by which Google counts
            units    bigint NOT NULL,              -- ever spent by all mailboxes, when the day was first seen
            seen_at  timestamptz NOT NULL DEFAULT now()
        )
        """
    )

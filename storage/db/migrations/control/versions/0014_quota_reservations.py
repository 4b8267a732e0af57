"""Units of each day that the quota broker has reserved, so that a restart of it does not spend them twice.

The release before does not write the table: it goes on beside this one without a daily limit, as it always did.
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE quota_reservations (
            day   date PRIMARY KEY,      -- Pacific time, by which Google counts
            units bigint NOT NULL        -- reserved so far; what is not spent of them is lost
        )
        """
    )

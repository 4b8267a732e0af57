"""By which grant and by which request a restore was begun.

The release before goes on: the columns may be null.
"""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; restores so far were begun by none."""
    op.execute(
        """
        ALTER TABLE restores
            ADD COLUMN grant_id    text,  -- of the operator who acts for the owner; at its end the restore pauses
            ADD COLUMN request_key text   -- the caller's: the same key is the same restore for ever
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX restores_by_request ON restores (user_id, request_key) WHERE request_key IS NOT NULL"
    )

"""Up to which change a label's state is known, where the last one told of it only repeated the state.

Writers of the release before go on: the column may be null.
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column; null: the label's last event, or the fetch, is the last change that is known."""
    op.execute("ALTER TABLE messages ADD COLUMN confirmed jsonb")  # label -> history id, few messages have any

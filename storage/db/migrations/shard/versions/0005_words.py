"""The size of a segment's word index; null: no index."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; existing segments have no index and are scanned."""
    op.execute("ALTER TABLE segments ADD COLUMN words_bytes bigint")

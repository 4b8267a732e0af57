"""Finds the events beside the labels that are read for a whole mailbox: mended threads and the owner's corrections.

Writers of the release before go on: it is an index.
"""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the index; few events are in it."""
    op.execute(
        r"CREATE INDEX label_events_beside ON label_events (user_id, message_id)"
        r" WHERE starts_with(label_id, '\Judgement:') OR starts_with(label_id, '\Thread:')"
    )

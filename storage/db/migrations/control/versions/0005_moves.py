"""Moves of shards between shard databases: moves in progress, and source copies to be deleted."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE shard_moves (
            shard_id    integer PRIMARY KEY REFERENCES shards,
            source      integer NOT NULL,          -- indexes of the databases
            target      integer NOT NULL,
            state       text NOT NULL DEFAULT 'copying' CHECK (state IN ('copying', 'switched')),
            started_at  timestamptz NOT NULL DEFAULT now(),
            switched_at timestamptz
        )
        """
    )

"""Why shards and mailboxes wait, as their owners say."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table. It holds what is true now, and is written anew by every owner."""
    op.execute(
        """
        CREATE TABLE wait_reasons (
            shard_id        integer NOT NULL,
            user_id         bigint NOT NULL,      -- 0: the whole shard
            kind            text NOT NULL,        -- storage/model/wait_reasons.py
            detail          text NOT NULL,
            since           timestamptz NOT NULL,
            attempts        integer NOT NULL,
            next_attempt_at timestamptz,
            epoch           bigint NOT NULL,      -- of the owner that says so; 0: who watches it does
            PRIMARY KEY (shard_id, user_id, kind)
        )
        """
    )
    op.execute("CREATE INDEX wait_reasons_user ON wait_reasons (user_id)")

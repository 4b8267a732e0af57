"""The SHA-256 of each file of the archive, as it was written.

Writers of the release before go on without it: `gbm verify` records what they leave out, once it has read the file.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = (
    """
    CREATE TABLE file_digests (
        name        text PRIMARY KEY,          -- of the file, whole
        shard_id    integer NOT NULL,
        size_bytes  bigint NOT NULL,
        sha256      bytea NOT NULL,
        as_written  boolean NOT NULL,          -- false: taken later, of a file whose structure was sound
        recorded_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX file_digests_by_shard ON file_digests (shard_id)",
)


def upgrade() -> None:
    """Create the table; existing files have no digest yet."""
    for statement in STATEMENTS:
        op.execute(statement)

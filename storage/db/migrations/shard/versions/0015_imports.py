"""Mail of other programs in the archive: how far each import is, and where each message came from.

The release before ignores the tables.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    """
    CREATE TABLE imports (
        user_id     bigint NOT NULL,
        import_id   text NOT NULL,             -- of the source's path
        source      text NOT NULL,
        fingerprint text NOT NULL,             -- of the source's files; of another, the import begins again
        position    bigint NOT NULL DEFAULT 0, -- messages of the source that are done
        stored      bigint NOT NULL DEFAULT 0,
        duplicates  bigint NOT NULL DEFAULT 0,
        began_at    timestamptz NOT NULL DEFAULT now(),
        ended_at    timestamptz,
        PRIMARY KEY (user_id, import_id)
    )
    """,
    """
    CREATE TABLE message_origins (
        user_id     bigint NOT NULL,
        import_id   text NOT NULL,
        position    bigint NOT NULL,           -- in the source
        message_id  bigint NOT NULL,           -- of the stored message
        origin      text NOT NULL,             -- where the message lay
        known_by    text NOT NULL,             -- stored, id, content, headers
        PRIMARY KEY (user_id, import_id, position)
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

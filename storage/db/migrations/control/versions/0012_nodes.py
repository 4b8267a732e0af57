"""Which processes work on the archive, which file formats they read, and which formats are therefore written."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    """
    CREATE TABLE nodes (
        node_id    text PRIMARY KEY,
        kind       text NOT NULL,          -- owner or gateway
        program    text NOT NULL,          -- version of the program
        formats    jsonb NOT NULL,         -- kind of file -> newest format number that it reads
        expires_at timestamptz NOT NULL    -- counts as gone from then on, unless it announces itself again
    )
    """,
    # A number never falls: files of that format may exist.
    """
    CREATE TABLE file_formats (
        kind   text PRIMARY KEY,
        number integer NOT NULL            -- is written from now on
    )
    """,
)


def upgrade() -> None:
    """Make the tables. They fill as processes of this release start."""
    for statement in STATEMENTS:
        op.execute(statement)

"""The analysis files of segments."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    """
    CREATE TABLE analyses (
        name       text PRIMARY KEY,       -- of the file, whole
        segment_id bigint NOT NULL REFERENCES segments ON DELETE CASCADE,
        versions   jsonb NOT NULL,         -- analyser -> the least version of a row; 0: of some rows it says nothing
        size_bytes bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        retired_at timestamptz             -- when another took its place, or its segment was merged
    )
    """,
    "CREATE UNIQUE INDEX analyses_current ON analyses (segment_id) WHERE retired_at IS NULL",
    "CREATE INDEX analyses_of_segment ON analyses (segment_id)",
)


def upgrade() -> None:
    """Create the table; existing segments are not analysed."""
    for statement in STATEMENTS:
        op.execute(statement)

"""The location of a segment's messages after compaction merged its files into another segment."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, and the view for all queries of files; so far each segment's messages are in its own files."""
    op.execute(
        """
        ALTER TABLE segments
            ADD COLUMN moved_to    bigint REFERENCES segments,  -- whose files have its messages; null: its own
            ADD COLUMN base_offset bigint NOT NULL DEFAULT 0,   -- of its frames, in that segment's raw file
            ADD COLUMN retired_at  timestamptz,                 -- since then its own files are named to no reader
            ADD COLUMN excluded    text                         -- why compaction passes it over
        """
    )
    op.execute("CREATE INDEX segments_by_new_place ON segments (moved_to) WHERE moved_to IS NOT NULL")
    op.execute(
        """
        CREATE VIEW segment_files AS
        SELECT s.segment_id, f.name, s.base_offset
        FROM segments AS s
        JOIN segments AS f ON f.segment_id = coalesce(s.moved_to, s.segment_id)
        """
    )

"""What access derives from what: the maker of a key, a session that ended, the Google account of an address."""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    # The key that a key was made with: it ends with it. No foreign key: makers may be deleted by hand.
    "ALTER TABLE api_keys ADD COLUMN maker text",
    "CREATE INDEX api_keys_by_maker ON api_keys (maker) WHERE maker IS NOT NULL",
    # `sub` of the ID token at the first sign-in: an address can change hands, an account cannot.
    "ALTER TABLE users ADD COLUMN google_sub text",
    # Sessions that were signed out: their access tokens are worth nothing. Kept for a day.
    """
    CREATE TABLE ended_sessions (
        family   uuid PRIMARY KEY,
        ended_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX ended_sessions_by_time ON ended_sessions (ended_at)",
)


def upgrade() -> None:
    """Make room for them."""
    for statement in STATEMENTS:
        op.execute(statement)

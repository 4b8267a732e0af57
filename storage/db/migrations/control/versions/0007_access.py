"""Restricted API keys, grants to read another user's mail, signing out everywhere, rotation of signing keys."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = (
    "ALTER TABLE api_keys ADD COLUMN scopes text[]",  # null: all that the role may
    "ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz",
    "CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL",
    "ALTER TABLE refresh_tokens ADD COLUMN scopes text[]",
    "CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id)",
    "ALTER TABLE users ADD COLUMN tokens_not_before timestamptz",  # access tokens of before are worth nothing
    "CREATE INDEX users_signed_out ON users (tokens_not_before) WHERE tokens_not_before IS NOT NULL",
    "CREATE INDEX users_removed ON users (removed_at) WHERE removed_at IS NOT NULL",
    """
    CREATE TABLE grants (
        grant_id   text PRIMARY KEY,
        user_id    bigint NOT NULL REFERENCES users,   -- whose mail may be read
        grantee_id bigint NOT NULL REFERENCES users,   -- by whom
        role       text NOT NULL,                      -- as what they asked for it
        reason     text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz
    )
    """,
    "CREATE INDEX grants_by_user ON grants (user_id)",
    "CREATE INDEX grants_by_grantee ON grants (grantee_id)",
    "CREATE INDEX grants_revoked ON grants (revoked_at) WHERE revoked_at IS NOT NULL",
)


def upgrade() -> None:
    """Add the columns, the indexes and the table."""
    for statement in STATEMENTS:
        op.execute(statement)

"""Users and their shards, sealed credentials, API keys, refresh tokens, signing keys."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE shards (
        shard_id   integer PRIMARY KEY,
        database   integer NOT NULL,           -- index into the configured shard databases
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE users (
        user_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        email      text NOT NULL UNIQUE,       -- lower case
        shard_id   integer NOT NULL REFERENCES shards,
        created_at timestamptz NOT NULL DEFAULT now(),
        removed_at timestamptz                 -- backed up no more; what is stored stays
    )
    """,
    "CREATE INDEX users_by_shard ON users (shard_id)",
    """
    CREATE TABLE credentials (
        user_id    bigint PRIMARY KEY REFERENCES users,
        sealed     bytea NOT NULL,             -- storage/control/sealing.py, bound to the user
        updated_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE api_keys (
        key_id      text PRIMARY KEY,
        user_id     bigint NOT NULL REFERENCES users,
        role        text NOT NULL CHECK (role IN ('owner', 'operator', 'auditor')),
        secret_hash bytea NOT NULL,            -- SHA-256 of 256 random bits: nothing to guess, so no slow hash
        created_at  timestamptz NOT NULL DEFAULT now(),
        expires_at  timestamptz,
        revoked_at  timestamptz
    )
    """,
    "CREATE INDEX api_keys_by_user ON api_keys (user_id)",
    """
    CREATE TABLE refresh_tokens (
        token_hash bytea PRIMARY KEY,          -- SHA-256
        family     uuid NOT NULL,              -- all tokens descended from one sign-in
        user_id    bigint NOT NULL REFERENCES users,
        role       text NOT NULL,
        key_id     text REFERENCES api_keys,   -- revoking the key ends the tokens it gave
        expires_at timestamptz NOT NULL,
        used_at    timestamptz                 -- a second use is theft: the whole family ends
    )
    """,
    "CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family)",
    """
    CREATE TABLE signing_keys (
        kid        text PRIMARY KEY,
        sealed     bytea NOT NULL,             -- private Ed25519 key
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

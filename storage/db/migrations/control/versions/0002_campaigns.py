"""Campaigns: backfills of many mailboxes, with the result for each mailbox."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE campaigns (
        campaign_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        mode         text NOT NULL CHECK (mode IN ('full', 'incremental')),
        state        text NOT NULL DEFAULT 'running'
                     CHECK (state IN ('running', 'cancelling', 'cancelled', 'complete', 'incomplete')),
        requested_by text NOT NULL,            -- an address, or the command line
        request_key  text UNIQUE,              -- the caller's: the same key is the same campaign for ever
        fingerprint  bytea NOT NULL,           -- of the mode and the mailboxes
        runs         integer NOT NULL DEFAULT 0, -- Ray Jobs that were submitted for it
        created_at   timestamptz NOT NULL DEFAULT now(),
        ended_at     timestamptz
    )
    """,
    # What is asked for again while it runs is the same campaign.
    "CREATE UNIQUE INDEX campaigns_running ON campaigns (fingerprint) WHERE ended_at IS NULL",
    """
    CREATE TABLE campaign_mailboxes (
        campaign_id   bigint NOT NULL REFERENCES campaigns,
        user_id       bigint NOT NULL REFERENCES users,
        synced_before timestamptz,             -- mailboxes.synced_at and listed_at when the campaign began
        listed_before timestamptz,
        messages_before bigint NOT NULL DEFAULT 0,
        state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'done', 'failed')),
        error         text,
        ended_at      timestamptz,
        PRIMARY KEY (campaign_id, user_id)
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

"""Leases, mailboxes, the segment catalog, the message index, label events, failed items, outbox."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE leases (
        shard_id   integer PRIMARY KEY,
        owner      text NOT NULL,
        cluster    text NOT NULL,              -- an owner of the same cluster is replaced at once
        epoch      bigint NOT NULL,            -- grows with every owner; commits of older epochs are refused
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE mailboxes (
        user_id    bigint PRIMARY KEY,
        shard_id   integer NOT NULL,
        email      text NOT NULL,
        phase      text NOT NULL DEFAULT 'new',
        cursor     bigint,                     -- history id: all before it is stored or filed as failed
        pinned     bigint,                     -- history id read before the listing under way
        estimate   bigint NOT NULL DEFAULT 0,  -- messages that Gmail says there are
        messages   bigint NOT NULL DEFAULT 0,
        size_bytes bigint NOT NULL DEFAULT 0,
        units      bigint NOT NULL DEFAULT 0,  -- quota units spent, ever
        error      text,
        synced_at  timestamptz
    )
    """,
    "CREATE INDEX mailboxes_by_shard ON mailboxes (shard_id)",
    """
    CREATE TABLE segments (
        segment_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name          text NOT NULL UNIQUE,    -- file names without their endings
        shard_id      integer NOT NULL,
        epoch         bigint NOT NULL,
        messages      integer NOT NULL,
        size_bytes    bigint NOT NULL,         -- of mail, before compression
        raw_bytes     bigint NOT NULL,
        parquet_bytes bigint NOT NULL,
        defective     integer NOT NULL,        -- messages with MIME defects
        created_at    timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX segments_by_shard ON segments (shard_id)",
    """
    CREATE TABLE segment_users (
        user_id    bigint NOT NULL,
        segment_id bigint NOT NULL REFERENCES segments,
        messages   integer NOT NULL,
        size_bytes bigint NOT NULL,
        first_at   timestamptz NOT NULL,
        last_at    timestamptz NOT NULL,
        PRIMARY KEY (user_id, segment_id)
    )
    """,
    """
    CREATE TABLE messages (
        user_id      bigint NOT NULL,
        message_id   bigint NOT NULL,
        thread_id    bigint NOT NULL,
        history_id   bigint NOT NULL,          -- of the last change seen
        received_at  timestamptz NOT NULL,     -- Gmail's internalDate
        labels       text[] NOT NULL,
        size_bytes   bigint NOT NULL,
        sha256       bytea NOT NULL,
        segment_id   bigint NOT NULL,
        frame_offset bigint NOT NULL,          -- in the raw file
        frame_bytes  integer NOT NULL,         -- compressed
        raw_offset   integer NOT NULL,         -- in the frame, decompressed
        deleted_at   timestamptz,
        PRIMARY KEY (user_id, message_id)
    )
    """,
    "CREATE INDEX messages_newest ON messages (user_id, received_at DESC, message_id DESC)",
    """
    CREATE TABLE label_events (
        user_id     bigint NOT NULL,
        message_id  bigint NOT NULL,
        label_id    text NOT NULL,
        is_on       boolean NOT NULL,
        history_id  bigint NOT NULL,
        observed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX label_events_by_message ON label_events (user_id, message_id, history_id)",
    """
    CREATE TABLE labels (
        user_id  bigint NOT NULL,
        label_id text NOT NULL,
        name     text NOT NULL,
        type     text NOT NULL,
        PRIMARY KEY (user_id, label_id)
    )
    """,
    """
    CREATE TABLE failed_items (
        user_id    bigint NOT NULL,
        message_id bigint NOT NULL,
        attempts   integer NOT NULL,
        error      text NOT NULL,
        not_before timestamptz NOT NULL,
        first_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, message_id)
    )
    """,
    """
    CREATE TABLE outbox (
        event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        shard_id   integer NOT NULL,
        user_id    bigint,
        type       text NOT NULL,
        version    integer NOT NULL DEFAULT 1,
        data       jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

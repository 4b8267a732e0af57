"""Restores: mail that is given back to Gmail, message by message. And grants that allow one.

Additive: three new tables, and a column with a constant default, which Postgres adds without touching a row.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    """
    CREATE TABLE restores (
        restore_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id       bigint NOT NULL REFERENCES users,   -- whose archive is read
        target_id     bigint NOT NULL REFERENCES users,   -- into whose mailbox
        selection     jsonb NOT NULL,                     -- query, thread, deleted_since, as_of, relabel
        state         text NOT NULL DEFAULT 'running'
                      CHECK (state IN ('running', 'pausing', 'paused', 'cancelling', 'cancelled', 'complete',
                                       'incomplete')),
        requested_by  text NOT NULL,
        runs          integer NOT NULL DEFAULT 0,         -- Ray Jobs that were submitted for it
        created_at    timestamptz NOT NULL DEFAULT now(),
        planned_at    timestamptz,                        -- its messages are in restore_messages since then
        ended_at      timestamptz,
        error         text
    )
    """,
    # Two restores into one mailbox would not see what the other is importing.
    "CREATE UNIQUE INDEX restores_one_per_target ON restores (target_id) WHERE ended_at IS NULL",
    "CREATE INDEX restores_by_user ON restores (user_id)",
    """
    CREATE TABLE restore_labels (
        restore_id bigint NOT NULL REFERENCES restores,
        label_id   text NOT NULL,                         -- in the archive
        name       text NOT NULL,
        target_id  text,                                  -- in the target mailbox; null: it is left out
        outcome    text NOT NULL,                         -- kept, found, created, mapped, left-out
        detail     text NOT NULL,
        PRIMARY KEY (restore_id, label_id)
    )
    """,
    """
    CREATE TABLE restore_messages (
        restore_id  bigint NOT NULL REFERENCES restores,
        message_id  bigint NOT NULL,                      -- in the archive
        position    integer NOT NULL,                     -- oldest first
        thread_id   bigint NOT NULL,
        received_at timestamptz NOT NULL,
        sha256      bytea NOT NULL,
        size_bytes  bigint NOT NULL,
        labels      text[] NOT NULL,                      -- ids in the archive
        state       text NOT NULL CHECK (state IN ('pending', 'sent', 'done', 'present', 'relabel', 'failed')),
        attempts    integer NOT NULL DEFAULT 0,
        sent_at     timestamptz,                          -- of the intent: committed before the call
        history_id  bigint,                               -- of the target mailbox, before the call
        new_id      bigint,                               -- in the target mailbox
        new_thread  bigint,
        detail      text,                                 -- why it failed, or what came back differently
        PRIMARY KEY (restore_id, message_id)
    )
    """,
    "CREATE INDEX restore_messages_open ON restore_messages (restore_id, position) "
    "WHERE state IN ('pending', 'sent', 'relabel')",
    "ALTER TABLE grants ADD COLUMN may_restore boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

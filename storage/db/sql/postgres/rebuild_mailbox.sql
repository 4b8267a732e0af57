-- Insert a mailbox unless it exists.
-- the columns of `mailboxes`
INSERT INTO mailboxes (
    user_id, shard_id, email, phase, cursor, pinned, estimate, units, error, synced_at, resume, listed_at
)
VALUES (
    :user_id, :shard_id, :email, :phase, :cursor, :pinned, :estimate, :units, :error, :synced_at, :resume, :listed_at
)
ON CONFLICT (user_id) DO NOTHING

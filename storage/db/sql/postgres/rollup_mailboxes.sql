-- All columns of a shard's mailboxes.
-- :shard_id
SELECT user_id, email, phase, cursor, pinned, estimate, messages, size_bytes, units, error, synced_at, resume, listed_at
FROM mailboxes WHERE shard_id = :shard_id ORDER BY user_id

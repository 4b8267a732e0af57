-- Every mailbox of a shard with its durable sync state.
-- :shard_id
SELECT user_id, email, phase, cursor, pinned, estimate, messages, size_bytes, units, error, synced_at, resume, listed_at,
    reading_from, reconciled_at
FROM mailboxes
WHERE shard_id = :shard_id
ORDER BY user_id

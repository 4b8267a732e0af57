-- All mailboxes in the backup.
-- :shard_id, or null for all shards
SELECT user_id, email, shard_id
FROM users
WHERE removed_at IS NULL AND (CAST(:shard_id AS integer) IS NULL OR shard_id = :shard_id)
ORDER BY email

-- The paused mailboxes of a shard. :shard_id.
SELECT user_id FROM users WHERE shard_id = :shard_id AND paused_at IS NOT NULL

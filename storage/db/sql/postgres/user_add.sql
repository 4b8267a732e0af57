-- Register a mailbox on the shard with the fewest users. A known mailbox keeps its shard.
-- :email in lower case
INSERT INTO users (email, shard_id)
SELECT :email, s.shard_id
FROM shards AS s
LEFT JOIN users AS u USING (shard_id)
GROUP BY s.shard_id
ORDER BY count(u.user_id), s.shard_id
LIMIT 1
ON CONFLICT (email) DO UPDATE SET removed_at = NULL
RETURNING user_id, email, shard_id

-- Recount a shard's mailboxes from their segments.
-- :shard_id
UPDATE mailboxes AS m
SET messages = coalesce(c.messages, 0), size_bytes = coalesce(c.size_bytes, 0)
FROM mailboxes AS b
LEFT JOIN (
    SELECT user_id, sum(messages) AS messages, sum(size_bytes) AS size_bytes FROM segment_users GROUP BY user_id
) AS c USING (user_id)
WHERE b.user_id = m.user_id AND m.shard_id = :shard_id

-- The state of every mailbox of these shards.
-- :shard_ids
SELECT m.user_id, m.email, m.shard_id, m.phase, m.messages, m.estimate, m.size_bytes, m.units, m.error, m.synced_at,
    (SELECT count(*) FROM failed_items AS f WHERE f.user_id = m.user_id) AS failed
FROM mailboxes AS m
WHERE m.shard_id = ANY(:shard_ids)
ORDER BY m.email

-- Number and health of these shards' mailboxes by phase.
-- :shard_ids
SELECT m.shard_id, m.phase, count(*) AS mailboxes, coalesce(sum(f.items), 0)::bigint AS failed,
    max(extract(epoch FROM now() - m.synced_at))::float8 AS lag_s, coalesce(sum(m.units), 0)::bigint AS units
FROM mailboxes AS m
LEFT JOIN (
    SELECT user_id, count(*) AS items
    FROM failed_items
    GROUP BY user_id
) AS f USING (user_id)
WHERE m.shard_id = ANY(:shard_ids)
GROUP BY m.shard_id, m.phase
ORDER BY m.shard_id, m.phase

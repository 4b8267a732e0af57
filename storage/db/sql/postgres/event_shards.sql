-- The shards of users about whom the control database published events after a position.
-- :after
SELECT DISTINCT u.shard_id
FROM outbox AS o
JOIN users AS u USING (user_id)
WHERE o.shard_id = -1 AND o.position > :after
ORDER BY u.shard_id

-- Events of the control database about the users of a shard, after a position.
-- :shard_id (of the users), :after, :limit
SELECT o.position, o.user_id, o.type, o.version, CAST(o.data AS text) AS data, o.created_at
FROM outbox AS o
JOIN users AS u USING (user_id)
WHERE o.shard_id = -1 AND o.position > :after AND u.shard_id = :shard_id
ORDER BY o.position
LIMIT :limit

-- Events of this user after a position, in the order of their commits.
-- :user_id, :shard_id, :after, :types (null: all), :limit
SELECT shard_id, position, user_id, type, version, data, created_at
FROM outbox
WHERE user_id = :user_id AND shard_id = :shard_id AND position > :after
    AND (CAST(:types AS text[]) IS NULL OR type = ANY(CAST(:types AS text[])))
ORDER BY position
LIMIT :limit

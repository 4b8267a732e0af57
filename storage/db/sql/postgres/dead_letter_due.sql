-- Dead letters of a consumer that are to be delivered again, oldest event first.
-- :consumer, :limit
SELECT consumer, shard_id, position, user_id, type, version, data, at, attempts, error, failed_at
FROM dead_letters
WHERE consumer = :consumer AND retry
ORDER BY position, shard_id
LIMIT :limit

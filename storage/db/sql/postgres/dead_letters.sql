-- Dead letters (of a consumer), those that failed first before others.
-- :consumer (null: all), :limit
SELECT consumer, shard_id, position, user_id, type, version, data, at, attempts, error, failed_at
FROM dead_letters
WHERE CAST(:consumer AS text) IS NULL OR consumer = :consumer
ORDER BY failed_at, shard_id, position
LIMIT :limit

-- Every segment of a shard database with its amount of mail, oldest first. For operators.
-- The second copy of a moving shard is skipped (storage/moving).
SELECT name, messages, size_bytes
FROM segments
WHERE retired_at IS NULL AND shard_id NOT IN (SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving'))
ORDER BY segment_id

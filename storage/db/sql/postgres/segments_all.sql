-- Every segment of a shard database and how much mail it holds, oldest first. For operators.
-- A shard that moves has a second copy, which is passed over (storage/moving).
SELECT name, messages, size_bytes
FROM segments
WHERE retired_at IS NULL AND shard_id NOT IN (SELECT shard_id FROM leases WHERE cluster IN ('gbm:moved', 'gbm:arriving'))
ORDER BY segment_id

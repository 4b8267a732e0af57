-- The live segments of a shard.
-- :shard_id
SELECT segment_id, name, created_at, excluded FROM segments
WHERE shard_id = :shard_id AND retired_at IS NULL ORDER BY segment_id

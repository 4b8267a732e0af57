-- Live segments to be merged, locked until the transaction ends.
-- :shard_id, :names
SELECT segment_id, name, messages
FROM segments
WHERE shard_id = :shard_id AND name = ANY(:names) AND retired_at IS NULL
ORDER BY segment_id
FOR UPDATE

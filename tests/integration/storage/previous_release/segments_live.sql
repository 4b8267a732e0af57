-- The segments of a shard that readers are given, smallest first.
-- :shard_id
SELECT name, messages, size_bytes, raw_bytes + parquet_bytes + coalesce(words_bytes, 0) AS stored_bytes, excluded
FROM segments
WHERE shard_id = :shard_id AND retired_at IS NULL
ORDER BY size_bytes, segment_id

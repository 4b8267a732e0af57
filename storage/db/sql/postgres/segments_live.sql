-- The live segments of a shard, smallest first.
-- :shard_id
SELECT s.name, s.messages, s.size_bytes,
    s.raw_bytes + s.parquet_bytes + coalesce(s.words_bytes, 0) + coalesce(a.size_bytes, 0) AS stored_bytes,
    s.excluded, a.name AS analysis
FROM segments AS s
LEFT JOIN analyses AS a ON a.segment_id = s.segment_id AND a.retired_at IS NULL
WHERE s.shard_id = :shard_id AND s.retired_at IS NULL
ORDER BY s.size_bytes, s.segment_id

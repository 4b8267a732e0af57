-- The live segments of a shard with the sizes of their files, oldest first.
-- :shard_id
SELECT s.segment_id, s.name, s.messages, s.size_bytes, s.raw_bytes, s.parquet_bytes, s.words_bytes, a.name AS analysis,
    a.size_bytes AS analysis_bytes
FROM segments AS s
LEFT JOIN analyses AS a ON a.segment_id = s.segment_id AND a.retired_at IS NULL
WHERE s.shard_id = :shard_id AND s.retired_at IS NULL
ORDER BY s.segment_id

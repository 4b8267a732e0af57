-- The live segments of a shard and their analyses, oldest first.
-- :shard_id
SELECT s.name, s.messages, a.name AS analysis, coalesce(a.versions, CAST('{}' AS jsonb)) AS versions
FROM segments AS s
LEFT JOIN analyses AS a ON a.segment_id = s.segment_id AND a.retired_at IS NULL
WHERE s.shard_id = :shard_id AND s.retired_at IS NULL
ORDER BY s.segment_id

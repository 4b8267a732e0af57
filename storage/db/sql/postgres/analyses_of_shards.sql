-- The analysis files of these shards.
-- :shard_ids
SELECT a.name
FROM segments AS s
JOIN analyses AS a ON a.segment_id = s.segment_id AND a.retired_at IS NULL
WHERE s.shard_id = ANY(CAST(:shard_ids AS integer[])) AND s.retired_at IS NULL

-- The current analyses of these segments.
-- :segment_ids
SELECT segment_id, name
FROM analyses
WHERE segment_id = ANY(CAST(:segment_ids AS bigint[])) AND retired_at IS NULL

-- Retire the analyses of these segments: readers no longer get them.
-- :segment_ids
UPDATE analyses
SET retired_at = now()
WHERE segment_id = ANY(CAST(:segment_ids AS bigint[])) AND retired_at IS NULL

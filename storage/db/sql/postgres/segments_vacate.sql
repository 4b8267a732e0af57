-- Segments whose messages all name another one now: nothing lies in them, nor in those that were merged into them.
-- :part_ids
UPDATE segments
SET moved_to = NULL, retired_at = coalesce(retired_at, now())
WHERE segment_id = ANY(:part_ids) OR moved_to = ANY(:part_ids)

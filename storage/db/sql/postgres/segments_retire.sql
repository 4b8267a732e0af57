-- Retire merged source segments: readers no longer get their files.
-- :part_ids
UPDATE segments SET retired_at = now() WHERE segment_id = ANY(:part_ids)

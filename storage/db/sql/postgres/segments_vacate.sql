-- Mark source segments without messages: all their messages now refer to another segment. Includes earlier sources.
-- :part_ids
UPDATE segments
SET moved_to = NULL, retired_at = coalesce(retired_at, now())
WHERE segment_id = ANY(:part_ids) OR moved_to = ANY(:part_ids)

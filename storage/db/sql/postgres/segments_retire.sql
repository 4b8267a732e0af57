-- Name the files of merged segments to no reader from now on.
-- :part_ids
UPDATE segments SET retired_at = now() WHERE segment_id = ANY(:part_ids)

-- Forget what users have in segments that are merged: the merged one's rows say it.
-- :part_ids
DELETE FROM segment_users WHERE segment_id = ANY(:part_ids)

-- Delete users' shares of merged source segments; the rows of the merged segment replace them.
-- :part_ids
DELETE FROM segment_users WHERE segment_id = ANY(:part_ids)

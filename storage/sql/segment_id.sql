-- A committed segment's number.
-- :name
SELECT segment_id FROM segments WHERE name = :name

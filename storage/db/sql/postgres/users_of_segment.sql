-- The users with mail in a segment.
-- :segment_id
SELECT user_id FROM segment_users WHERE segment_id = :segment_id

-- The users with mail in a segment.
-- :segment_id
SELECT user_id, messages, first_at, last_at FROM segment_users WHERE segment_id = :segment_id ORDER BY user_id

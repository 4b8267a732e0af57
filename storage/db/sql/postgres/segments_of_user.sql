-- The segments with mail of this user in a time range, newest first.
-- :user_id, :first_at, :last_at
SELECT s.name, s.words_bytes, u.last_at
FROM segment_users AS u
JOIN segments AS s USING (segment_id)
WHERE u.user_id = :user_id AND u.last_at >= :first_at AND u.first_at <= :last_at
ORDER BY u.last_at DESC, s.segment_id DESC

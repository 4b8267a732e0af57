-- The analysis files of this user's mail in a time range, newest first.
-- :user_id, :first_at, :last_at
SELECT a.name
FROM segment_users AS u
JOIN analyses AS a ON a.segment_id = u.segment_id AND a.retired_at IS NULL
WHERE u.user_id = :user_id AND u.last_at >= :first_at AND u.first_at <= :last_at
ORDER BY u.last_at DESC, a.segment_id DESC

-- The file with the analysis of this user's message.
-- :user_id, :message_id
SELECT a.name
FROM messages AS m
JOIN segments AS s USING (segment_id)
JOIN analyses AS a ON a.segment_id = coalesce(s.moved_to, s.segment_id) AND a.retired_at IS NULL
WHERE m.user_id = :user_id AND m.message_id = :message_id

-- The segments that contain these messages of this user.
-- :user_id, :message_ids
SELECT DISTINCT s.name
FROM messages AS m
JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id AND m.message_id = ANY(CAST(:message_ids AS bigint[]))
ORDER BY s.name

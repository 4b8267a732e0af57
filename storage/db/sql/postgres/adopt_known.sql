-- Location of these messages of a user by the index: the segment whose files hold them, and the number of them in each.
-- :user_id, :message_ids
SELECT m.message_id, f.segment_id, f.messages
FROM messages AS m
JOIN segments AS s USING (segment_id)
JOIN segments AS f ON f.segment_id = coalesce(s.moved_to, s.segment_id)
WHERE m.user_id = :user_id AND m.message_id = ANY(CAST(:message_ids AS bigint[]))

-- The segment that has each message of a user, by the message index; null: no segment has it.
-- :user_id
SELECT m.message_id, s.name AS segment
FROM messages AS m
LEFT JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id

-- What the message index says of these messages of a user: where their bytes lie, and their SHA-256.
-- :user_id, :message_ids
SELECT m.message_id, s.name AS segment, s.base_offset + m.frame_offset AS frame_offset, m.frame_bytes, m.raw_offset,
    m.size_bytes, m.sha256
FROM messages AS m
JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id AND m.message_id = ANY(CAST(:message_ids AS bigint[]))

-- Where one message lies, and its state.
-- :user_id, :message_id. {messages}: the message index, now or as messages_as_of.sql makes it of another moment.
SELECT m.message_id, m.thread_id, m.received_at, m.labels, m.size_bytes, m.deleted_at, s.name AS segment,
    m.sha256, s.base_offset + m.frame_offset AS frame_offset, m.frame_bytes, m.raw_offset
FROM {messages} AS m
JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id AND m.message_id = :message_id

-- Location and state of one message.
-- :user_id, :message_id. {messages}: the message index, current or as of a time (messages_as_of.sql).
SELECT m.message_id, m.thread_id, m.received_at, m.labels, m.size_bytes, m.deleted_at, s.name AS segment,
    m.sha256, s.base_offset + m.frame_offset AS frame_offset, m.frame_bytes, m.raw_offset
FROM {messages} AS m
JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id AND m.message_id = :message_id

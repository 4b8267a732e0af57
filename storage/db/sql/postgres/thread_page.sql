-- The next messages of a thread, oldest first, with their locations. {messages}: as in email_location.sql.
-- :user_id, :thread_id; :since, :after_id: the page cursor; :limit: rows.
SELECT m.message_id, m.thread_id, m.received_at, m.labels, m.size_bytes, m.deleted_at, s.name AS segment,
    m.sha256, s.base_offset + m.frame_offset AS frame_offset, m.frame_bytes, m.raw_offset
FROM {messages} AS m
JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id AND m.thread_id = :thread_id
    AND (m.received_at, m.message_id) > (CAST(:since AS timestamptz), CAST(:after_id AS bigint))
ORDER BY m.received_at, m.message_id
LIMIT :limit

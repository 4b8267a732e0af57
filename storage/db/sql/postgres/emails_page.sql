-- The next messages of a mailbox, newest first, with their locations. {messages}: as in email_location.sql.
-- :user_id; :before_at, :before_id: the page cursor; :after_at; :with_labels: all of them; :without_labels: none;
-- :with_deleted; :limit: rows. {condition}: of storage/query/postgres.py, over m.
-- {chosen}: TRUE, or a condition on :message_ids. A single statement for both would get a plan that scans the mailbox.
SELECT m.message_id, m.thread_id, m.received_at, m.labels, m.size_bytes, m.deleted_at, s.name AS segment,
    m.sha256, s.base_offset + m.frame_offset AS frame_offset, m.frame_bytes, m.raw_offset
FROM {messages} AS m
JOIN segment_files AS s USING (segment_id)
WHERE m.user_id = :user_id
    AND (m.received_at, m.message_id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS bigint))
    AND m.received_at >= CAST(:after_at AS timestamptz)
    AND m.labels @> CAST(:with_labels AS text[])
    AND NOT m.labels && CAST(:without_labels AS text[])
    AND (:with_deleted OR m.deleted_at IS NULL)
    AND {chosen}
    AND {condition}
ORDER BY m.received_at DESC, m.message_id DESC
LIMIT :limit

-- The messages of a restore, oldest first.
-- :restore_id, :states (or null for all)
SELECT message_id, position, thread_id, received_at, sha256, size_bytes, labels, state, attempts, sent_at,
    CAST(extract(epoch FROM now() - sent_at) AS float8) AS sent_ago_s, history_id,
    new_id, new_thread, detail
FROM restore_messages
WHERE restore_id = :restore_id AND (CAST(:states AS text[]) IS NULL OR state = ANY(:states))
ORDER BY position

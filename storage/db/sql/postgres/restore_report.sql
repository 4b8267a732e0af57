-- Messages of a restore that failed or came back differently, oldest first.
-- :restore_id, :limit (or null)
SELECT message_id, state, detail
FROM restore_messages
WHERE restore_id = :restore_id AND detail IS NOT NULL
ORDER BY position
LIMIT CAST(:limit AS bigint)

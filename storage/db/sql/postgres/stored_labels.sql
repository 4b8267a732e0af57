-- The labels of a mailbox's stored messages whose last change is older than a history id.
-- :user_id, :before history id
SELECT message_id, deleted_at IS NOT NULL AS deleted, labels
FROM messages
WHERE user_id = :user_id AND history_id < :before
ORDER BY message_id

-- The labels of a mailbox's stored messages that were last seen at a history id or before it.
-- Imported mail whose id at Gmail is unknown has ids below 0: no listing has them.
-- :user_id, :before: history id
SELECT message_id, deleted_at IS NOT NULL AS deleted, labels
FROM messages
WHERE user_id = :user_id AND history_id <= :before AND message_id >= 0
ORDER BY message_id

-- Which of these messages are stored already, in which threads, and which of those count as deleted?
-- :user_id, :message_ids
SELECT message_id, thread_id, deleted_at IS NOT NULL AS deleted
FROM messages
WHERE user_id = :user_id AND message_id = ANY(:message_ids)

-- The current state of this user's messages.
-- :user_id
SELECT message_id, thread_id, labels, deleted_at FROM messages WHERE user_id = :user_id

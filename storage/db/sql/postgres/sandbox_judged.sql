-- The current state of this user's messages with a label by which Gmail judges.
-- :user_id, :labels
SELECT message_id, thread_id, labels, deleted_at
FROM messages
WHERE user_id = :user_id AND labels && CAST(:labels AS text[])

-- The ids of these messages that are already stored.
-- :user_id, :message_ids
SELECT message_id
FROM messages
WHERE user_id = :user_id AND message_id = ANY(:message_ids)

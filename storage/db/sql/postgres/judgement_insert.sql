-- Append the owner's judgement of a message, unless the user does not have the message. Returns the time.
-- :user_id, :message_id, :judgement: JSON
INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id)
SELECT user_id, message_id, '\Judgement:' || CAST(:judgement AS text), TRUE, history_id
FROM messages
WHERE user_id = :user_id AND message_id = :message_id
RETURNING observed_at

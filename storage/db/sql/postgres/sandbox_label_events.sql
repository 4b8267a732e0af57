-- The label events of this user's messages, as stored.
-- :user_id
SELECT message_id, label_id, is_on, history_id, observed_at FROM label_events
WHERE user_id = :user_id AND (label_id = '\Deleted' OR NOT starts_with(label_id, '\'))

-- When this user's messages were labelled, and no longer: as the database has it.
-- :user_id
SELECT message_id, label_id, is_on, history_id, observed_at FROM label_events WHERE user_id = :user_id

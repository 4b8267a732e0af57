-- The threads of this user's messages whose files name another one, because Gmail once answered with a wrong thread.
-- :user_id
SELECT m.message_id, m.thread_id
FROM messages AS m
WHERE m.user_id = :user_id AND m.message_id IN (
    SELECT e.message_id FROM label_events AS e WHERE e.user_id = :user_id AND starts_with(e.label_id, '\Thread:')
)

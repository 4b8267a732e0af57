-- Set the thread of every message whose thread was mended to the one of its last such event.
UPDATE messages AS m
SET thread_id = CAST(CAST('x' || lpad(substr(r.label_id, 9), 16, '0') AS bit(64)) AS bigint)
FROM (
    SELECT DISTINCT ON (user_id, message_id) user_id, message_id, label_id
    FROM rolled_events
    WHERE starts_with(label_id, '\Thread:')
    ORDER BY user_id, message_id, observed_at DESC, number DESC, event_id DESC
) AS r
WHERE m.user_id = r.user_id AND m.message_id = r.message_id

-- Set every message to the newest state in the roll-ups, unless it has a newer one.
UPDATE messages AS m
SET history_id = r.history_id, labels = coalesce(r.labels, m.labels), stored_at = r.stored_at,
    changed_at = r.changed_at, deleted_at = r.deleted_at
FROM (
    SELECT DISTINCT ON (user_id, message_id) * FROM rolled_states ORDER BY user_id, message_id, number DESC
) AS r
WHERE m.user_id = r.user_id AND m.message_id = r.message_id AND r.history_id >= m.history_id

-- The current labels of this user's messages.
-- :user_id
SELECT m.message_id, carried AS label_id, coalesce(l.name, carried) AS name
FROM messages AS m
CROSS JOIN unnest(m.labels) AS carried
LEFT JOIN labels AS l ON l.user_id = m.user_id AND l.label_id = carried
WHERE m.user_id = :user_id

-- A mailbox's labels with the number of messages and of unread messages, from its counts by label.
-- :user_id
SELECT
    label_id,
    coalesce(l.name, label_id) AS name,
    coalesce(l.type, 'user') AS type,
    coalesce(l.visibility, '') AS visibility,
    coalesce(l.color, '') AS color,
    CAST(coalesce(c.messages, 0) AS bigint) AS messages,
    CAST(coalesce(c.unread, 0) AS bigint) AS unread
FROM (SELECT label_id, name, type, visibility, color FROM labels WHERE user_id = :user_id) AS l
FULL JOIN (SELECT * FROM label_sums WHERE user_id = :user_id AND messages > 0) AS c USING (label_id)
ORDER BY 3, 2, 1

-- A mailbox's labels, with how many of its messages carry each and how many of these are unread.
-- :user_id
SELECT
    label_id,
    coalesce(l.name, label_id) AS name,
    coalesce(l.type, 'user') AS type,
    coalesce(c.messages, 0) AS messages,
    coalesce(c.unread, 0) AS unread
FROM (SELECT label_id, name, type FROM labels WHERE user_id = :user_id) AS l
FULL JOIN (
    SELECT carried AS label_id, count(*) AS messages, count(*) FILTER (WHERE m.labels @> ARRAY['UNREAD']) AS unread
    FROM messages AS m, unnest(m.labels) AS carried
    WHERE m.user_id = :user_id AND m.deleted_at IS NULL
    GROUP BY carried
) AS c USING (label_id)
ORDER BY 3, 2, 1

-- As label_totals.sql for the whole mailbox, from its counts by label.
-- :user_id; :limit: rows
SELECT
    label_id,
    coalesce(l.name, label_id) AS name,
    coalesce(l.type, 'user') AS type,
    CAST(coalesce(c.messages, 0) AS bigint) AS messages,
    CAST(coalesce(c.unread, 0) AS bigint) AS unread,
    coalesce(c.size_bytes, 0) AS size_bytes
FROM (SELECT label_id, name, type FROM labels WHERE user_id = :user_id) AS l
FULL JOIN (SELECT * FROM label_sums WHERE user_id = :user_id AND messages > 0) AS c USING (label_id)
ORDER BY coalesce(c.messages, 0) DESC, label_id
LIMIT :limit

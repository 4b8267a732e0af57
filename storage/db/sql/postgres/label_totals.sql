-- The labels of a mailbox with the number of selected messages that carry each, deleted messages counted separately.
-- :user_id; :limit: rows. {selected}: selected.sql
SELECT
    label_id,
    coalesce(l.name, label_id) AS name,
    coalesce(l.type, 'user') AS type,
    coalesce(c.messages, 0) AS messages,
    coalesce(c.unread, 0) AS unread,
    coalesce(c.size_bytes, 0) AS size_bytes
FROM (SELECT label_id, name, type FROM labels WHERE user_id = :user_id) AS l
FULL JOIN (
    SELECT
        carried AS label_id,
        count(*) AS messages,
        count(*) FILTER (WHERE m.labels @> ARRAY['UNREAD']) AS unread,
        CAST(sum(m.size_bytes) AS bigint) AS size_bytes
    FROM {selected} AS m, unnest(m.labels) AS carried
    WHERE m.deleted_at IS NULL
    GROUP BY carried
) AS c USING (label_id)
ORDER BY coalesce(c.messages, 0) DESC, label_id
LIMIT :limit

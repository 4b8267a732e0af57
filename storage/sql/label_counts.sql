-- A mailbox's labels, with how many messages of a selection carry each, how many of these are unread, and their size.
-- {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at
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
    FROM {messages} AS m, unnest(m.labels) AS carried
    WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND m.deleted_at IS NULL
        AND {chosen}
    GROUP BY carried
) AS c USING (label_id)
ORDER BY 3, 2, 1

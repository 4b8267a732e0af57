-- A selection of a mailbox over time: what was received in each part of it. {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at; :bucket: hour, day, week, month, quarter or year; :zone: whose clock; :limit: rows
SELECT
    date_trunc(CAST(:bucket AS text), m.received_at AT TIME ZONE CAST(:zone AS text)) AS starts,
    count(*) AS messages,
    CAST(sum(m.size_bytes) AS bigint) AS size_bytes,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['UNREAD']) AS unread,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['SENT']) AS sent
FROM {messages} AS m
WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
GROUP BY 1
ORDER BY 1
LIMIT :limit

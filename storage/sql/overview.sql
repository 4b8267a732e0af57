-- A selection of a mailbox in numbers, by year (UTC). {messages}: as in email_location.sql.
-- :user_id; :first_at, :last_at: messages received from the one up to before the other; {chosen}: TRUE, or a condition
-- of storage/selecting.py over m
SELECT
    CAST(extract(year FROM m.received_at) AS integer) AS year,
    count(*) AS messages,
    CAST(sum(m.size_bytes) AS bigint) AS size_bytes,
    count(*) FILTER (WHERE m.deleted_at IS NOT NULL) AS deleted,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['UNREAD']) AS unread,
    count(*) FILTER (WHERE m.deleted_at IS NULL AND m.labels @> ARRAY['SENT']) AS sent,
    min(m.received_at) AS first_at,
    max(m.received_at) AS last_at
FROM {messages} AS m
WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
GROUP BY 1
ORDER BY 1

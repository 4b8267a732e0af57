-- A mailbox's totals by year (UTC), from its counts by day.
-- :user_id; :first_at, :last_at: start of the first day, and end (exclusive) of the range
SELECT
    CAST(extract(year FROM s.day_at) AS integer) AS year,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.size_bytes) AS bigint) AS size_bytes,
    CAST(sum(s.deleted) AS bigint) AS deleted,
    CAST(sum(s.unread) AS bigint) AS unread,
    CAST(sum(s.sent) AS bigint) AS sent
FROM message_days AS s
WHERE s.user_id = :user_id AND s.messages > 0 AND s.day_at >= :first_at AND s.day_at < :last_at
GROUP BY 1
ORDER BY 1

-- A mailbox's totals by year (UTC), from its half-hour buckets.
-- :user_id; :first_at, :last_at: start of the first bucket, and end (exclusive) of the range
SELECT
    CAST(extract(year FROM s.slot_at) AS integer) AS year,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.size_bytes) AS bigint) AS size_bytes,
    CAST(sum(s.deleted) AS bigint) AS deleted,
    CAST(sum(s.unread) AS bigint) AS unread,
    CAST(sum(s.sent) AS bigint) AS sent
FROM message_slots AS s
WHERE s.user_id = :user_id AND s.messages > 0 AND s.slot_at >= :first_at AND s.slot_at < :last_at
GROUP BY 1
ORDER BY 1

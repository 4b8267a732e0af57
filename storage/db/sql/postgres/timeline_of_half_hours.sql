-- As timeline_of_index.sql for all messages of a time range, from the half-hour buckets.
-- :user_id; :bucket; :limit: rows; :first_at, :last_at: start of the first bucket, and end (exclusive) of the range
SELECT
    date_trunc(CAST(:bucket AS text), CAST(s.slot_at AS timestamp)) AS start,
    CASE WHEN CAST(:bucket AS text) = 'hour' THEN CAST(extract(timezone FROM s.slot_at) AS integer) END AS offset_s,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.size_bytes) AS bigint) AS size_bytes,
    CAST(sum(s.deleted) AS bigint) AS deleted,
    CAST(sum(s.unread) AS bigint) AS unread,
    CAST(sum(s.sent) AS bigint) AS sent
FROM message_slots AS s
WHERE s.user_id = :user_id AND s.messages > 0 AND s.slot_at >= :first_at AND s.slot_at < :last_at
GROUP BY 1, 2
ORDER BY 1, 2 DESC
LIMIT :limit

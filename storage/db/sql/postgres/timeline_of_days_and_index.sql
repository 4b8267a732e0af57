-- As timeline_of_days.sql in a zone whose hours do not begin at half hours of UTC.
-- A day within one bucket is counted as a whole; other days, and days on which clocks change, by their
-- messages.
-- :user_id; :bucket; :limit: rows; :first_at, :last_at: start of the first day, and end (exclusive) of the range
WITH days AS (
    SELECT
        *,
        date_trunc(CAST(:bucket AS text), CAST(day_at AS timestamp)) AS start,
        date_trunc(CAST(:bucket AS text), CAST(day_at + interval '86399.999 seconds' AS timestamp)) AS until,
        extract(timezone FROM day_at) = extract(timezone FROM day_at + interval '24 hours') AS is_plain
    FROM message_days
    WHERE user_id = :user_id AND messages > 0 AND day_at >= :first_at AND day_at < :last_at
)
SELECT
    start,
    CAST(NULL AS integer) AS offset_s,
    CAST(sum(messages) AS bigint) AS messages,
    CAST(sum(size_bytes) AS bigint) AS size_bytes,
    CAST(sum(deleted) AS bigint) AS deleted,
    CAST(sum(unread) AS bigint) AS unread,
    CAST(sum(sent) AS bigint) AS sent
FROM (
    SELECT start, messages, size_bytes, deleted, unread, sent FROM days WHERE start = until AND is_plain
    UNION ALL
    SELECT date_trunc(CAST(:bucket AS text), CAST(m.received_at AS timestamp)), 1, m.size_bytes,
        CAST(m.deleted_at IS NOT NULL AS integer),
        CAST(m.deleted_at IS NULL AND m.labels @> ARRAY['UNREAD'] AS integer),
        CAST(m.deleted_at IS NULL AND m.labels @> ARRAY['SENT'] AS integer)
    FROM days AS d
    JOIN messages AS m
        ON m.user_id = :user_id AND m.received_at >= d.day_at AND m.received_at < d.day_at + interval '24 hours'
    WHERE NOT (d.start = d.until AND d.is_plain)
) AS counted
GROUP BY start
ORDER BY start
LIMIT :limit

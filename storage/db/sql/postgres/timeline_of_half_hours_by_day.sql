-- As timeline_of_half_hours.sql by day. Computing each half hour's local time would take half of the query's time, so
-- days are cut by their offset from UTC, and only their first half hours are converted to the session's time zone.
-- :user_id; :limit: rows; :first_at, :last_at: start of the first bucket, and end (exclusive) of the range
-- :changes, :mondays: as in activity_of_half_hours.sql
WITH days AS (
    SELECT
        date_bin(
            '1 day',
            s.slot_at,
            (CAST(:mondays AS timestamptz[]))[width_bucket(s.slot_at, CAST(:changes AS timestamptz[])) + 1]
        ) AS midnight,
        min(s.slot_at) AS first_at,
        sum(s.messages) AS messages,
        sum(s.size_bytes) AS size_bytes,
        sum(s.deleted) AS deleted,
        sum(s.unread) AS unread,
        sum(s.sent) AS sent
    FROM message_slots AS s
    WHERE s.user_id = :user_id AND s.messages > 0 AND s.slot_at >= :first_at AND s.slot_at < :last_at
    GROUP BY 1
)
SELECT
    -- A day on which clocks change is in two pieces.
    date_trunc('day', CAST(first_at AS timestamp)) AS start,
    CAST(NULL AS integer) AS offset_s,
    CAST(sum(messages) AS bigint) AS messages,
    CAST(sum(size_bytes) AS bigint) AS size_bytes,
    CAST(sum(deleted) AS bigint) AS deleted,
    CAST(sum(unread) AS bigint) AS unread,
    CAST(sum(sent) AS bigint) AS sent
FROM days
GROUP BY 1
ORDER BY 1
LIMIT :limit

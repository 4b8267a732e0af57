-- As activity_of_index.sql for all messages of a time range, from the half-hour buckets.
-- :user_id; :first_at, :last_at: start of the first bucket, and end (exclusive) of the range
-- :changes: times in the range at which the zone's clocks change; :mondays: for the time before the first change and
-- after each change, a time that is midnight on a Monday at that offset from UTC
WITH since_monday AS (
    SELECT
        s.slot_at - date_bin(
            '7 days',
            s.slot_at,
            (CAST(:mondays AS timestamptz[]))[width_bucket(s.slot_at, CAST(:changes AS timestamptz[])) + 1]
        ) AS elapsed,
        sum(s.messages) AS messages,
        sum(s.sent) AS sent
    FROM message_slots AS s
    WHERE s.user_id = :user_id AND s.messages > 0 AND s.slot_at >= :first_at AND s.slot_at < :last_at
    GROUP BY 1
)
SELECT
    CAST(extract(day FROM elapsed) AS integer) + 1 AS weekday,
    CAST(extract(hour FROM elapsed) AS integer) AS hour,
    CAST(sum(messages) AS bigint) AS messages,
    CAST(sum(sent) AS bigint) AS sent
FROM since_monday
GROUP BY 1, 2
ORDER BY 1, 2

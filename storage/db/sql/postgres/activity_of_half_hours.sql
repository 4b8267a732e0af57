-- As activity_of_index.sql of all messages of a time range, from the counts by half an hour.
-- :user_id; :first_at, :last_at: half hours that begin from the one up to before the other
-- :changes: when the zone's clocks change in that time; :mondays: before the first and after each change, a moment that
-- is a Monday's midnight with that distance from UTC
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

-- As activity_of_index.sql of all messages of a time range, from the counts by half an hour.
-- :user_id; :first_at, :last_at: half hours that begin from the one up to before the other
SELECT
    CAST(extract(isodow FROM CAST(s.slot_at AS timestamp)) AS integer) AS weekday,
    CAST(extract(hour FROM CAST(s.slot_at AS timestamp)) AS integer) AS hour,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.sent) AS bigint) AS sent
FROM message_slots AS s
WHERE s.user_id = :user_id AND s.messages > 0 AND s.slot_at >= :first_at AND s.slot_at < :last_at
GROUP BY 1, 2
ORDER BY 1, 2

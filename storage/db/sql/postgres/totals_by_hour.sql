-- The mail of all mailboxes of these shards by hour of the week (UTC).
-- :shard_ids
SELECT
    CAST(extract(isodow FROM s.slot_at AT TIME ZONE 'UTC') AS integer) AS weekday,
    CAST(extract(hour FROM s.slot_at AT TIME ZONE 'UTC') AS integer) AS hour,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.sent) AS bigint) AS sent
FROM message_slots AS s
JOIN mailboxes AS b USING (user_id)
WHERE b.shard_id = ANY(CAST(:shard_ids AS integer[])) AND s.messages > 0
GROUP BY 1, 2
ORDER BY 1, 2

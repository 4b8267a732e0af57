-- The mail of all mailboxes of these shards by day, week, month, quarter or year (UTC).
-- :shard_ids; :bucket; :limit: rows; :first_at, :last_at: start of the first bucket, and end (exclusive) of the range
SELECT
    date_trunc(CAST(:bucket AS text), s.slot_at, 'UTC') AS start,
    CAST(sum(s.messages) AS bigint) AS messages,
    CAST(sum(s.size_bytes) AS bigint) AS size_bytes,
    CAST(sum(s.deleted) AS bigint) AS deleted,
    CAST(sum(s.unread) AS bigint) AS unread,
    CAST(sum(s.sent) AS bigint) AS sent
FROM message_slots AS s
JOIN mailboxes AS b USING (user_id)
WHERE b.shard_id = ANY(CAST(:shard_ids AS integer[])) AND s.messages > 0
    AND s.slot_at >= :first_at AND s.slot_at < :last_at
GROUP BY 1
ORDER BY 1
LIMIT :limit

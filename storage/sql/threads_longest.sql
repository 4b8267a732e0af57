-- The threads with the most messages of a selection, and where the first of these lies.
-- {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at; :limit: rows
SELECT t.thread_id, t.messages, t.sent, t.size_bytes, t.first_at, t.last_at, t.first[2] AS message_id,
    t.first_at AS received_at, s.name AS segment
FROM (
    SELECT
        m.thread_id,
        count(*) AS messages,
        count(*) FILTER (WHERE m.labels @> ARRAY['SENT']) AS sent,
        CAST(sum(m.size_bytes) AS bigint) AS size_bytes,
        min(m.received_at) AS first_at,
        max(m.received_at) AS last_at,
        min(ARRAY[CAST(extract(epoch FROM m.received_at) * 1000 AS bigint), m.message_id, m.segment_id]) AS first
    FROM {messages} AS m
    WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
    GROUP BY m.thread_id
    ORDER BY count(*) DESC, m.thread_id
    LIMIT :limit
) AS t
JOIN segment_files AS s ON s.segment_id = t.first[3]
ORDER BY t.messages DESC, t.thread_id

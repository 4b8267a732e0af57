-- The largest messages of a selection, and where they lie. {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at; :limit: rows
SELECT m.message_id, m.received_at, m.size_bytes, s.name AS segment
FROM (
    SELECT m.message_id, m.received_at, m.size_bytes, m.segment_id
    FROM {messages} AS m
    WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
    ORDER BY m.size_bytes DESC, m.message_id
    LIMIT :limit
) AS m
JOIN segment_files AS s USING (segment_id)
ORDER BY m.size_bytes DESC, m.message_id

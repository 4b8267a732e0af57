-- How many messages of a selection are the same bytes as another one of it. {messages}, {chosen}: as in overview.sql.
-- :user_id; :first_at, :last_at
SELECT
    CAST(coalesce(sum(c.messages - 1), 0) AS bigint) AS messages,
    CAST(coalesce(sum((c.messages - 1) * c.size_bytes), 0) AS bigint) AS size_bytes
FROM (
    SELECT count(*) AS messages, min(m.size_bytes) AS size_bytes
    FROM {messages} AS m
    WHERE m.user_id = :user_id AND m.received_at >= :first_at AND m.received_at < :last_at AND {chosen}
    GROUP BY m.sha256
    HAVING count(*) > 1
) AS c

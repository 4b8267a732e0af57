-- The mailing lists of the selected messages, most messages first (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
-- $first_at, $last_at: range of received_at, end exclusive. unread: a table, messages labelled UNREAD
SELECT
    list_id,
    arg_max(from_name, (received_at, message_id)) AS sender_name,
    arg_max(from_address, (received_at, message_id)) AS sender_address,
    count(*) AS messages,
    count(*) FILTER (WHERE message_id NOT IN (SELECT message_id FROM unread)) AS "read",
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen} AND list_id <> ''
GROUP BY list_id
ORDER BY messages DESC, list_id
LIMIT $limit

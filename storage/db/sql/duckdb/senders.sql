-- Senders of the selected messages, most messages first (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id
-- $first_at, $last_at: range of received_at, end exclusive; $limit: rows, 1 to 1000
SELECT
    from_address AS address,
    arg_max(from_name, (received_at, message_id)) AS name,
    count(*) AS messages,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
GROUP BY from_address
ORDER BY messages DESC, address
LIMIT $limit

-- Senders of most messages to this user (DuckDB).
-- $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
SELECT from_address AS sender, count(*) AS messages, sum(size_bytes)::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id
GROUP BY from_address
ORDER BY messages DESC, sender
LIMIT $limit

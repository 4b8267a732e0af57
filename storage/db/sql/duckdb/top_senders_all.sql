-- Senders of most messages to all users (DuckDB).
-- $files: Parquet paths; $limit: rows, 1 to 1000
SELECT from_address AS sender, count(*) AS messages, sum(size_bytes)::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
GROUP BY from_address
ORDER BY messages DESC, sender
LIMIT $limit

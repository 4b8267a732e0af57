-- This user's messages and bytes by month (UTC) (DuckDB).
-- $files: Parquet paths; $user_id
SELECT date_trunc('month', received_at) AS month, count(*) AS messages, sum(size_bytes)::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id
GROUP BY month
ORDER BY month

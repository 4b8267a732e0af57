-- All users' messages and bytes by month (UTC) (DuckDB).
-- $files: Parquet paths
SELECT date_trunc('month', received_at) AS month, count(*) AS messages, sum(size_bytes)::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
GROUP BY month
ORDER BY month

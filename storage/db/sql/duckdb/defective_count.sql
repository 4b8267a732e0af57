-- Number of messages with MIME defects (DuckDB).
-- $files: Parquet paths; $user_id
SELECT count(*) AS messages
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND len(defects) > 0

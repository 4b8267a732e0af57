-- Messages with MIME defects, newest first (DuckDB).
-- $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
SELECT message_id, received_at, "from", subject, defects
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND len(defects) > 0
ORDER BY received_at DESC, message_id DESC
LIMIT $limit

-- Subjects and texts of these messages, for highlighting (DuckDB).
-- $files: Parquet paths; $user_id; $message_ids
SELECT message_id, subject, "text"
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND message_id IN (SELECT unnest($message_ids))

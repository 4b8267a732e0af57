-- The text, the headers and the attachments of one message (DuckDB).
-- $files: Parquet paths; $user_id; $message_id; $received_at
SELECT "text", headers, attachments
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at = $received_at AND message_id = $message_id

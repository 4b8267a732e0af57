-- One message whole, without its raw bytes (DuckDB).
-- $files: Parquet paths; $user_id; $message_id
SELECT message_id, "from", "to", cc, subject, snippet, len(attachments) > 0 AS has_attachment, defects,
    "text", headers, attachments
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND message_id = $message_id

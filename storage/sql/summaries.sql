-- What a list shows of these messages (DuckDB).
-- $files: Parquet paths; $user_id; $message_ids
SELECT message_id, "from", "to", cc, subject, snippet, len(attachments) > 0 AS has_attachment, defects
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND message_id IN (SELECT unnest($message_ids))

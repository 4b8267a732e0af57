-- The attachments of this user's messages, as the SQL sandbox shows them (DuckDB).
-- $files: Parquet paths; $user_id
SELECT
    lower(hex(message_id)) AS message_id, part.part AS part, part.filename AS filename,
    part.content_type AS content_type, part.size_bytes AS size_bytes, lower(hex(part.sha256)) AS sha256,
    part.inline AS inline
FROM (
    SELECT message_id, unnest(attachments) AS part
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND len(attachments) > 0
)

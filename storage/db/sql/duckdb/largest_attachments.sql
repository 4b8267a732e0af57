-- The largest attachments of the selected messages (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
-- $first_at, $last_at: range of received_at, end exclusive
SELECT message_id, received_at, file.part, file.filename, file.content_type, file.size_bytes, file.sha256
FROM (
    SELECT message_id, received_at, unnest(attachments) AS file
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
)
ORDER BY file.size_bytes DESC, message_id, file.part
LIMIT $limit

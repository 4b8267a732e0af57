-- The largest files in a selection of this user's mail (DuckDB).
-- $files: Parquet paths; $user_id; $first_at, $last_at; {chosen}: as in senders.sql; $limit: rows, 1 to 1000
SELECT message_id, received_at, subject, part.part AS part, part.filename AS filename,
    part.content_type AS content_type, part.size_bytes AS size_bytes
FROM (
    SELECT message_id, received_at, subject, unnest(attachments) AS part
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
        AND len(attachments) > 0
)
ORDER BY size_bytes DESC, message_id, part
LIMIT $limit

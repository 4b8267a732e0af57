-- Attachments that the selected messages contain more than once, most redundant bytes first (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
-- $first_at, $last_at: range of received_at, end exclusive
-- all_…: totals of all groups, repeated in every returned row.
WITH copied AS (
    SELECT
        file.sha256 AS sha256,
        count(*) AS copies,
        min(file.size_bytes) AS size_bytes,
        arg_min(message_id, (received_at, message_id, file.part)) AS message_id,
        arg_min(file.filename, (received_at, message_id, file.part)) AS filename
    FROM (
        SELECT message_id, received_at, unnest(attachments) AS file
        FROM read_parquet($files, hive_partitioning = false)
        WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
    )
    GROUP BY file.sha256
    HAVING count(*) > 1
)
SELECT
    *,
    count(*) OVER () AS all_groups,
    (sum(copies - 1) OVER ())::BIGINT AS all_extra_copies,
    (sum((copies - 1) * size_bytes) OVER ())::BIGINT AS all_extra_bytes
FROM copied
ORDER BY (copies - 1) * size_bytes DESC, sha256
LIMIT $limit

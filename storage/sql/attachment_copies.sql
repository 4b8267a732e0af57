-- How many files in a selection of this user's mail are the same bytes as another one of it (DuckDB)?
-- $files: Parquet paths; $user_id; $first_at, $last_at; {chosen}: as in senders.sql
SELECT
    coalesce(sum(files - 1), 0)::BIGINT AS files,
    coalesce(sum((files - 1) * size_bytes), 0)::BIGINT AS size_bytes
FROM (
    SELECT count(*) AS files, any_value(part.size_bytes) AS size_bytes
    FROM (
        SELECT unnest(attachments) AS part
        FROM read_parquet($files, hive_partitioning = false)
        WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
            AND len(attachments) > 0
    )
    GROUP BY part.sha256
    HAVING count(*) > 1
)

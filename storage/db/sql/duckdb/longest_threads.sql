-- The threads with the most of the selected messages (DuckDB). Subjects and senders are read of these threads only.
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
-- $first_at, $last_at: range of received_at, end exclusive
WITH longest AS (
    SELECT thread_id
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
    GROUP BY thread_id
    ORDER BY count(*) DESC, thread_id
    LIMIT $limit
)
SELECT
    thread_id,
    arg_min(subject, (received_at, message_id)) AS subject,
    count(*) AS messages,
    count(DISTINCT from_address) AS people,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
    AND thread_id IN (SELECT thread_id FROM longest)
GROUP BY thread_id
ORDER BY messages DESC, thread_id

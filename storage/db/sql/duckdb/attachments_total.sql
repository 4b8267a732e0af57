-- Number of this user's messages with attachments, number of attachments, and their bytes (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id
-- $first_at, $last_at: range of received_at, end exclusive
SELECT
    count(*) AS messages,
    coalesce(sum(len(attachments)), 0)::BIGINT AS files,
    coalesce(sum(list_sum(list_transform(attachments, lambda part: part.size_bytes))), 0)::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen} AND len(attachments) > 0

-- All Parquet columns of these messages (DuckDB).
-- $files: Parquet paths; $user_id; $message_ids; $first_at, $last_at: range of their received_at.
SELECT *
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id
    AND received_at BETWEEN $first_at AND $last_at
    AND message_id IN (SELECT unnest($message_ids))

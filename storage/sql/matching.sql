-- Messages whose content matches, newest first (DuckDB). {conditions} are storage/matching.py's, their values bound.
-- $files: Parquet paths; $user_id; $before_at, $before_id: the position to go on from; $after_at; $limit: rows.
SELECT message_id, received_at
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id
    AND (received_at < $before_at OR (received_at = $before_at AND message_id < $before_id))
    AND received_at >= $after_at
    AND {conditions}
ORDER BY received_at DESC, message_id DESC
LIMIT $limit

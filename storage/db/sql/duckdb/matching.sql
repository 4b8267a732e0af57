-- Messages whose content may match, newest first, with the value of each atom (DuckDB).
-- {atoms}: columns a0 and on, of storage/query/scan.py; {candidates}: a condition on these. Their values are bound.
-- $files: Parquet paths; $user_id; $before_at, $before_id: the page cursor; $after_at; $limit: rows.
SELECT *
FROM (
    SELECT message_id, received_at, {atoms}
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id
        AND (received_at < $before_at OR (received_at = $before_at AND message_id < $before_id))
        AND received_at >= $after_at
)
WHERE {candidates}
ORDER BY received_at DESC, message_id DESC
LIMIT $limit

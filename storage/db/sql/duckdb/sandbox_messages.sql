-- Some columns of this user's messages as SQL of their owner sees them (DuckDB).
-- $files: Parquet paths; $user_id
-- {columns}, {state}: of storage/sql_sandbox/views.py; where asked for, the table {message_id, labels, deleted_at} is joined
SELECT {columns}
FROM read_parquet($files, hive_partitioning = false) AS p
{state}
WHERE p.user_id = $user_id

-- Selected columns of this user's messages, as the SQL sandbox shows them (DuckDB).
-- $files: Parquet paths; $user_id
-- {columns}, {state}: of storage/sql_sandbox/views.py; {state} may join the table {message_id, thread_id, labels, deleted_at}
SELECT {columns}
FROM read_parquet($files, hive_partitioning = false) AS p
{state}
WHERE p.user_id = $user_id

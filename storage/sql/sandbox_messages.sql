-- Some columns of this user's messages as SQL of their owner sees them (DuckDB). {columns}: of storage/sandbox/views.py
-- $files: Parquet paths; $user_id; the table `state`: {message_id, labels, deleted_at} of the message index
SELECT {columns}
FROM read_parquet($files, hive_partitioning = false) AS p
JOIN state AS s ON s.message_id = p.message_id
WHERE p.user_id = $user_id

-- The recipients of this user's messages, as the SQL sandbox shows them (DuckDB).
-- $files: Parquet paths; $user_id
SELECT
    lower(hex(message_id)) AS message_id,
    kind,
    lower(CASE WHEN whole LIKE '%>' THEN regexp_extract(whole, '<([^<>]*)>$', 1) ELSE whole END) AS address,
    CASE WHEN whole LIKE '%>' THEN trim(regexp_replace(whole, '<[^<>]*>$', ''), ' "') ELSE '' END AS name
FROM (
    SELECT message_id, 'to' AS kind, unnest("to") AS whole
    FROM read_parquet($files, hive_partitioning = false) WHERE user_id = $user_id
    UNION ALL
    SELECT message_id, 'cc' AS kind, unnest(cc) AS whole
    FROM read_parquet($files, hive_partitioning = false) WHERE user_id = $user_id
    UNION ALL
    SELECT message_id, 'bcc' AS kind, unnest(bcc) AS whole
    FROM read_parquet($files, hive_partitioning = false) WHERE user_id = $user_id
)

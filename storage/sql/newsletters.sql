-- The mailing lists of a selection of this user's mail, most messages first (DuckDB).
-- $files: Parquet paths; $user_id; $first_at, $last_at; {chosen}: as in senders.sql; $unread: ids of those that are;
-- $limit: rows, 1 to 1000
SELECT
    list_id,
    count(*) AS messages,
    count(*) FILTER (message_id NOT IN (SELECT unnest($unread::BIGINT[]))) AS read,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at,
    arg_max("from", (received_at, message_id)) AS "from"
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen} AND list_id <> ''
GROUP BY list_id
ORDER BY messages DESC, list_id
LIMIT $limit

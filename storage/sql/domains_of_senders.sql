-- From which domains a selection of this user's mail came (DuckDB). {order}: messages or size_bytes, most first.
-- $files: Parquet paths; $user_id; $first_at, $last_at; {chosen}: as in senders.sql; $limit: rows, 1 to 1000
SELECT
    lower(split_part(from_address, '@', -1)) AS domain,
    count(DISTINCT from_address) AS addresses,
    count(*) AS messages,
    sum(size_bytes)::BIGINT AS size_bytes
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
    AND contains(from_address, '@')
GROUP BY domain
ORDER BY {order} DESC, domain
LIMIT $limit

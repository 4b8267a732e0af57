-- The senders' domains of the selected messages (DuckDB); "": the sender has no domain.
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $by_size: most bytes first, not most messages
-- $first_at, $last_at: range of received_at, end exclusive; $limit: rows, 1 to 1000
SELECT
    CASE WHEN contains(from_address, '@') THEN split_part(from_address, '@', -1) ELSE '' END AS domain,
    count(*) AS messages,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM read_parquet($files, hive_partitioning = false)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
GROUP BY domain
ORDER BY CASE WHEN $by_size THEN sum(size_bytes) ELSE count(*) END DESC, domain
LIMIT $limit

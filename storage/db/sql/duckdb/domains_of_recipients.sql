-- The recipients' domains (To, Cc and Bcc) of the selected messages (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $by_size: most bytes first, not most messages
-- $first_at, $last_at: range of received_at, end exclusive; $limit: rows, 1 to 1000
SELECT
    domain,
    count(*) AS messages,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM (
    SELECT
        unnest(list_distinct(list_transform(
            list_filter(list_transform(
                list_concat("to", cc, bcc),
                lambda shown: lower(CASE WHEN ends_with(shown, '>') THEN regexp_extract(shown, '<([^<>]*)>$', 1) ELSE shown END)
            ), lambda address: contains(address, '@')),
            lambda address: split_part(address, '@', -1)
        ))) AS domain,
        size_bytes,
        received_at
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
)
GROUP BY domain
ORDER BY CASE WHEN $by_size THEN sum(size_bytes) ELSE count(*) END DESC, domain
LIMIT $limit

-- To which domains a selection of this user's mail went, most messages first (DuckDB).
-- $files: Parquet paths; $user_id; $first_at, $last_at; {chosen}: as in senders.sql; $limit: rows, 1 to 1000
-- Addresses: as in recipients.sql; a message to several of a domain counts once.
WITH shown AS (
    SELECT message_id, size_bytes, unnest(list_distinct(list_concat(list_concat("to", cc), bcc))) AS whole
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
),
addressed AS (
    SELECT
        message_id, size_bytes,
        lower(CASE WHEN whole LIKE '%>' THEN regexp_extract(whole, '<([^<>]*)>$', 1) ELSE whole END) AS address
    FROM shown
),
grouped AS (
    SELECT split_part(address, '@', -1) AS domain, message_id, any_value(size_bytes) AS size_bytes,
        list(DISTINCT address) AS addresses
    FROM addressed
    WHERE contains(address, '@')
    GROUP BY ALL
)
SELECT
    domain,
    len(list_distinct(flatten(list(addresses)))) AS addresses,
    count(*) AS messages,
    sum(size_bytes)::BIGINT AS size_bytes
FROM grouped
GROUP BY domain
ORDER BY messages DESC, domain
LIMIT $limit

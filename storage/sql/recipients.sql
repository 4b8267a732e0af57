-- To whom a selection of this user's mail went, most messages first (DuckDB).
-- $files: Parquet paths; $user_id; $first_at, $last_at; {chosen}: as in senders.sql; $limit: rows, 1 to 1000
-- Addresses are in display form: "Name <local@domain>" or bare; one that is named twice in a message counts once.
WITH shown AS (
    SELECT
        message_id, received_at, size_bytes,
        unnest(list_distinct(list_concat(list_concat("to", cc), bcc))) AS whole
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
),
addressed AS (
    SELECT
        message_id, received_at, size_bytes,
        lower(CASE WHEN whole LIKE '%>' THEN regexp_extract(whole, '<([^<>]*)>$', 1) ELSE whole END) AS address,
        CASE WHEN whole LIKE '%>' THEN trim(regexp_replace(whole, '<[^<>]*>$', ''), ' "') ELSE '' END AS name
    FROM shown
),
named AS (
    SELECT address, message_id, any_value(received_at) AS received_at, any_value(size_bytes) AS size_bytes,
        max(name) AS name
    FROM addressed
    WHERE address <> ''
    GROUP BY address, message_id
)
SELECT
    address,
    arg_max(name, (received_at, message_id)) AS name,
    count(*) AS messages,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM named
GROUP BY address
ORDER BY messages DESC, address
LIMIT $limit

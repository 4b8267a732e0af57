-- The threads with the most of the selected messages (DuckDB). Subjects and senders are read of these threads only.
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $limit: rows, 1 to 1000
-- mended: {message_id, thread_id} of messages of other threads than their files name
-- $first_at, $last_at: range of received_at, end exclusive
WITH longest AS (
    SELECT coalesce(mended.thread_id, mail.thread_id) AS thread_id
    FROM read_parquet($files, hive_partitioning = false) AS mail
    LEFT JOIN mended USING (message_id)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
    GROUP BY coalesce(mended.thread_id, mail.thread_id)
    ORDER BY count(*) DESC, 1
    LIMIT $limit
),
read AS (  -- what the files call these threads
    SELECT thread_id FROM longest
    UNION ALL
    SELECT mail.thread_id
    FROM read_parquet($files, hive_partitioning = false) AS mail
    JOIN mended USING (message_id)
    WHERE mail.user_id = $user_id
)
SELECT
    coalesce(mended.thread_id, mail.thread_id) AS thread_id,
    arg_min(subject, (received_at, message_id)) AS subject,
    count(*) AS messages,
    count(DISTINCT from_address) AS people,
    sum(size_bytes)::BIGINT AS size_bytes,
    min(received_at) AS first_at,
    max(received_at) AS last_at
FROM read_parquet($files, hive_partitioning = false) AS mail
LEFT JOIN mended USING (message_id)
WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
    AND mail.thread_id IN (SELECT thread_id FROM read)
    AND coalesce(mended.thread_id, mail.thread_id) IN (SELECT thread_id FROM longest)
GROUP BY coalesce(mended.thread_id, mail.thread_id)
ORDER BY messages DESC, 1

-- Response times of the owner and of the others (DuckDB). A response follows a message of the other side in a thread, so
-- only threads in which the owner wrote are sorted.
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $address: the owner's, in lower case
-- mended: {message_id, thread_id} of messages of other threads than their files name
-- $first_at, $last_at: range of received_at, end exclusive. sent: a table, messages labelled SENT
WITH selected AS (
    SELECT
        coalesce(mended.thread_id, mail.thread_id) AS thread_id,
        mail.message_id AS message_id,
        received_at,
        (from_address <> '' AND from_address = $address) OR mail.message_id IN (SELECT message_id FROM sent) AS mine
    FROM read_parquet($files, hive_partitioning = false) AS mail
    LEFT JOIN mended USING (message_id)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
),
answered AS (
    SELECT DISTINCT thread_id FROM selected WHERE mine
),
turns AS (
    SELECT
        mine,
        lag(mine) OVER turn AS before_was_mine,
        (epoch_ms(received_at) - lag(epoch_ms(received_at)) OVER turn) / 1000.0 AS waited_s
    FROM selected
    WHERE thread_id IN (SELECT thread_id FROM answered)
    WINDOW turn AS (PARTITION BY thread_id ORDER BY received_at, message_id)
)
SELECT
    mine,
    count(*) AS responses,
    quantile_cont(waited_s, 0.5) AS median_s,
    quantile_cont(waited_s, 0.9) AS p90_s
FROM turns
WHERE before_was_mine <> mine
GROUP BY mine

-- The sentiment of the selected messages, by month (UTC) and label (DuckDB).
-- A null label: not analysed, or in an unsupported language.
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; analysis: a table of analysers' results
-- $first_at, $last_at: range of received_at, end exclusive
SELECT
    date_trunc('month', p.received_at AT TIME ZONE 'UTC') AS month,
    a.sentiment.label AS label,
    count(*) AS messages,
    sum(a.sentiment.score)::DOUBLE AS score
FROM (
    SELECT message_id, received_at
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
) AS p
LEFT JOIN analysis AS a ON a.message_id = p.message_id
GROUP BY 1, 2
ORDER BY 1, 2 NULLS LAST

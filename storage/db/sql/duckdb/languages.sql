-- The selected messages by language, most messages first; null: not analysed, or no language found (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; analysis: a table of analysers' results
-- $first_at, $last_at: range of received_at, end exclusive
SELECT a.language.code AS language, count(*) AS messages, sum(p.size_bytes)::BIGINT AS size_bytes
FROM (
    SELECT message_id, size_bytes
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
) AS p
LEFT JOIN analysis AS a ON a.message_id = p.message_id
GROUP BY 1
ORDER BY messages DESC, 1 NULLS LAST

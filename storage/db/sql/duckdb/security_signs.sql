-- The selected messages with signs of forgery or phishing, newest first (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; $limit: rows; analysis: analysers' results
-- $first_at, $last_at: range of received_at, end exclusive
SELECT p.message_id, p.received_at, p."from" AS sender, p.subject,
    a.authenticity.dmarc IS NOT DISTINCT FROM 'fail' AS dmarc_failed,
    coalesce(a.authenticity.lookalike_of, '') AS lookalike_of,
    coalesce(a.authenticity.name_differs, FALSE) AS name_differs,
    coalesce(a.attachmentkinds.executables, 0) AS executables,
    coalesce(a.attachmentkinds.mismatches, 0) AS disguised_files
FROM (
    SELECT message_id, received_at, "from", subject
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
) AS p
JOIN analysis AS a ON a.message_id = p.message_id
WHERE a.authenticity.dmarc = 'fail' OR a.authenticity.lookalike_of <> '' OR a.authenticity.name_differs
    OR a.attachmentkinds.executables > 0 OR a.attachmentkinds.mismatches > 0
ORDER BY p.received_at DESC, p.message_id
LIMIT $limit

-- Number of selected messages with each sign of forgery or phishing (DuckDB).
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; analysis: a table of analysers' results
-- $first_at, $last_at: range of received_at, end exclusive
SELECT
    count(*) AS messages,
    count(*) FILTER (a.authenticity.version IS NOT NULL) AS analysed,
    -- '': as authenticity 1 and 2 wrote absent
    count(*) FILTER (a.authenticity.spf NOT IN ('', 'absent') OR a.authenticity.dkim NOT IN ('', 'absent')
        OR a.authenticity.dmarc NOT IN ('', 'absent')) AS checked,
    count(*) FILTER (a.authenticity.spf IN ('fail', 'softfail')) AS spf_failed,
    count(*) FILTER (a.authenticity.dkim = 'fail') AS dkim_failed,
    count(*) FILTER (a.authenticity.dmarc = 'fail') AS dmarc_failed,
    count(*) FILTER (a.authenticity.lookalike_of <> '') AS lookalikes,
    count(*) FILTER (a.authenticity.reply_to_differs) AS reply_to_differs,
    count(*) FILTER (a.authenticity.name_differs) AS name_differs,
    count(*) FILTER (a.attachmentkinds.executables > 0) AS executables,
    count(*) FILTER (a.attachmentkinds.mismatches > 0) AS disguised_files
FROM (
    SELECT message_id
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
) AS p
LEFT JOIN analysis AS a ON a.message_id = p.message_id

-- The selected messages by Gmail's label and the analyser's category (DuckDB).
-- label: null without one that means a category; ours: null: not analysed, or no category found
-- acquaintances: the mailbox's evidence, which decides about work and personal as label_judgement.py does
-- {chosen}: a condition on message_id. $files: Parquet paths; $user_id; analysis: a table of analysers' results
-- spam, category_*: tables {message_id} of the labels, in the order of label_judgement.py
-- $first_at, $last_at: range of received_at, end exclusive
WITH gmail AS (
    SELECT message_id, arg_min(label, place) AS label
    FROM (
        SELECT message_id, 'SPAM' AS label, 1 AS place FROM spam
        UNION ALL SELECT message_id, 'CATEGORY_PROMOTIONS', 2 FROM category_promotions
        UNION ALL SELECT message_id, 'CATEGORY_SOCIAL', 3 FROM category_social
        UNION ALL SELECT message_id, 'CATEGORY_FORUMS', 4 FROM category_forums
        UNION ALL SELECT message_id, 'CATEGORY_UPDATES', 5 FROM category_updates
    )
    GROUP BY message_id
)
SELECT
    g.label,
    CASE
        WHEN q.message_id IS NULL OR a.category.if_known IS NULL OR a.category.error IS NOT NULL
            OR coalesce(a.category.name, 'work') NOT IN ('work', 'personal')
            THEN a.category.name
        WHEN q.is_sent OR q.written_before > 0 OR q.written_in_thread > 0
            OR (q.is_same_domain AND a.category.if_known = 'work')
            THEN a.category.if_known
    END AS ours,
    a.category.version IS NOT NULL AND a.category.error IS NULL AS analysed,
    count(*) AS messages,
    sum(p.size_bytes)::BIGINT AS size_bytes
FROM (
    SELECT message_id, size_bytes
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
) AS p
LEFT JOIN analysis AS a ON a.message_id = p.message_id
LEFT JOIN acquaintances AS q ON q.message_id = p.message_id
LEFT JOIN gmail AS g ON g.message_id = p.message_id
GROUP BY ALL

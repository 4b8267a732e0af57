-- The selected messages by Gmail's label and the analyser's category (DuckDB).
-- label: null without one that means a category; ours: null: not analysed, or no category found
-- words: the owner's corrections; word: category that the owner decided, "no spam", or null
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
    a.category.name AS ours,
    CASE WHEN w.spam THEN 'spam_like' WHEN w.category IS NOT NULL THEN w.category WHEN NOT w.spam THEN 'no spam' END AS word,
    a.category.version IS NOT NULL AND a.category.error IS NULL AS analysed,
    count(*) AS messages,
    sum(p.size_bytes)::BIGINT AS size_bytes
FROM (
    SELECT message_id, size_bytes
    FROM read_parquet($files, hive_partitioning = false)
    WHERE user_id = $user_id AND received_at >= $first_at AND received_at < $last_at AND {chosen}
) AS p
LEFT JOIN analysis AS a ON a.message_id = p.message_id
LEFT JOIN words AS w ON w.message_id = p.message_id
LEFT JOIN gmail AS g ON g.message_id = p.message_id
GROUP BY ALL

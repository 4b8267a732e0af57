-- Analysers' results with category and priority decided by Gmail's labels first, as label_judgement.py does (DuckDB).
-- analysis: results, at least message_id, category, priority and authenticity; state: message_id and labels
WITH gmail AS (
    SELECT message_id,
        list_contains(labels, 'SPAM') AS in_spam,
        list_filter(['STARRED', 'IMPORTANT'], lambda label: list_contains(labels, label))[1] AS mark,
        list_filter(
            ['SPAM', 'CATEGORY_PROMOTIONS', 'CATEGORY_SOCIAL', 'CATEGORY_FORUMS', 'CATEGORY_UPDATES'],
            lambda label: list_contains(labels, label)
        )[1] AS label
    FROM state
),
judged AS (
    SELECT a.*,
        g.label AS _label,
        CASE g.label
            WHEN 'SPAM' THEN 'spam_like' WHEN 'CATEGORY_PROMOTIONS' THEN 'promotion' WHEN 'CATEGORY_SOCIAL' THEN 'social'
            WHEN 'CATEGORY_FORUMS' THEN 'newsletter' WHEN 'CATEGORY_UPDATES' THEN 'notification'
        END AS _category,
        a.category.error IS NULL AND g.label IS NOT NULL
            AND NOT (g.label = 'CATEGORY_UPDATES' AND coalesce(a.category.name IN ('receipt', 'travel'), FALSE))
            AS _by_label,
        CASE
            WHEN a.priority.error IS NOT NULL THEN NULL
            WHEN g.in_spam THEN '-label SPAM'
            WHEN coalesce(len(a.authenticity.warnings), 0) = 0 AND coalesce(a.category.spam_score, 0) < 0.5
                THEN '+label ' || g.mark
        END AS _mark
    FROM analysis AS a
    LEFT JOIN gmail AS g ON g.message_id = a.message_id
)
SELECT * EXCLUDE (_label, _category, _by_label, _mark) REPLACE (
    CASE WHEN category IS NOT NULL THEN struct_update(
        category,
        ours := category.name,
        name := CASE WHEN _by_label THEN _category ELSE category.name END,
        reasons := CASE WHEN _by_label THEN list_append(category.reasons, 'label ' || _label) ELSE category.reasons END,
        source := CASE
            WHEN category.error IS NOT NULL THEN NULL
            WHEN _by_label THEN 'gmail'
            WHEN category.source IS NOT NULL THEN category.source
            WHEN category.name IS NULL THEN 'none'
            WHEN category.name = 'spam_like' THEN 'model'
            ELSE 'rules'
        END
    ) END AS category,
    CASE WHEN priority IS NOT NULL THEN struct_update(
        priority,
        level := CASE
            WHEN _mark IS NULL THEN priority.level WHEN _mark[1] = '-' THEN 'low' ELSE 'high'
        END,
        reasons := CASE WHEN _mark IS NULL THEN priority.reasons ELSE list_append(priority.reasons, _mark) END,
        source := CASE
            WHEN priority.error IS NOT NULL THEN NULL
            WHEN _mark IS NOT NULL THEN 'gmail'
            WHEN priority.level IS NULL THEN 'none'
            ELSE 'rules'
        END
    ) END AS priority
)
FROM judged

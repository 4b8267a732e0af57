-- Analysers' results with category and priority decided by Gmail's labels, then by the mailbox's evidence, as
-- label_judgement.py does (DuckDB).
-- analysis: results, at least message_id, category, priority and authenticity; state: message_id and labels
-- acquaintances: the mailbox's evidence, acquaintance.SCHEMA
WITH evidence AS (
    SELECT a.message_id, q.message_id IS NOT NULL AND a.category.if_known IS NOT NULL AS is_asked, q.is_sent,
        q.written_before,
        CASE WHEN q.received_before > 0 THEN 'you never wrote to the sender' ELSE 'first contact' END AS doubt,
        CASE WHEN q.is_sent THEN ['you wrote it'] ELSE list_filter(
            [
                CASE WHEN q.written_before > 0
                    THEN 'messages that you wrote to the sender before: ' || q.written_before END,
                CASE WHEN q.written_in_thread > 0
                    THEN 'messages that you wrote in the thread before: ' || q.written_in_thread END,
                CASE WHEN q.is_same_domain AND a.category.if_known = 'work' THEN 'the sender is in your domain' END
            ],
            lambda reason: reason IS NOT NULL
        ) END AS reasons
    FROM analysis AS a
    LEFT JOIN acquaintances AS q ON q.message_id = a.message_id
),
weighed AS (
    SELECT a.message_id, e.doubt, e.reasons,
        e.is_asked AND a.category.error IS NULL AND coalesce(a.category.name, 'work') IN ('work', 'personal')
            AS is_category,
        e.is_asked AND a.category.error IS NULL AND a.priority.error IS NULL AND a.priority.points IS NOT NULL
            AS is_priority,
        list_filter(a.priority.reasons, lambda reason: reason NOT IN ('+answer', '+same domain')) AS others,
        a.priority.points + least(len(e.reasons) + CASE WHEN e.written_before >= 5 THEN 1 ELSE 0 END, 2) AS points,
        e.is_sent
    FROM analysis AS a
    JOIN evidence AS e ON e.message_id = a.message_id
),
known AS (
    SELECT a.* REPLACE (
        CASE WHEN w.is_category THEN struct_update(
            a.category,
            name := CASE WHEN len(w.reasons) > 0 THEN a.category.if_known END,
            source := CASE WHEN len(w.reasons) > 0 THEN 'mailbox' ELSE 'none' END,
            reasons := CASE WHEN len(w.reasons) > 0 THEN w.reasons ELSE [w.doubt] END
        ) ELSE a.category END AS category,
        CASE WHEN w.is_priority THEN struct_update(
            a.priority,
            level := CASE
                WHEN w.is_sent THEN NULL
                WHEN len(w.reasons) = 0
                    THEN CASE WHEN len(list_filter(w.others, lambda reason: starts_with(reason, '-'))) > 0 THEN 'low' END
                WHEN w.points >= 4 THEN 'high' WHEN w.points <= 0 THEN 'low' ELSE 'normal'
            END,
            reasons := list_concat(
                CASE WHEN len(w.reasons) > 0 THEN list_transform(w.reasons, lambda reason: '+' || reason)
                    ELSE [w.doubt] END,
                w.others
            ),
            source := CASE WHEN len(w.reasons) > 0 THEN 'mailbox' ELSE 'rules' END
        ) ELSE a.priority END AS priority
    )
    FROM analysis AS a
    JOIN weighed AS w ON w.message_id = a.message_id
),
gmail AS (
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
    FROM known AS a
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
            ELSE coalesce(priority.source, 'rules')
        END
    ) END AS priority
)
FROM judged

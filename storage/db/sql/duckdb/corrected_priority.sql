-- Analysers' results with the priority corrected by the labels: mail in Spam has a low one (DuckDB).
-- analysis: results, at least message_id and priority; state: message_id and labels. $reason: why it is low
SELECT a.* REPLACE (
    CASE
        WHEN list_contains(s.labels, 'SPAM') AND a.priority IS NOT NULL AND a.priority.error IS NULL
            THEN struct_update(a.priority, level := 'low', reasons := list_append(a.priority.reasons, $reason))
        ELSE a.priority
    END AS priority
)
FROM analysis AS a
LEFT JOIN state AS s ON s.message_id = a.message_id

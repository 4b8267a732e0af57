-- Append the events missing from the log, each once, in their original order. Of one history id there are two of a label
-- where a reconciliation mended it: one on, one off.
INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id, observed_at)
SELECT user_id, message_id, label_id, is_on, history_id, observed_at
FROM (
    SELECT DISTINCT ON (user_id, message_id, label_id, history_id, is_on) *
    FROM rolled_events
    ORDER BY user_id, message_id, label_id, history_id, is_on, number, event_id
) AS r
WHERE NOT EXISTS (
    SELECT FROM label_events AS e
    WHERE e.user_id = r.user_id AND e.message_id = r.message_id AND e.label_id = r.label_id
        AND e.history_id = r.history_id AND e.is_on = r.is_on
)
ORDER BY number, event_id

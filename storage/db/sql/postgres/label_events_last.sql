-- The history id of the last event of each label of these messages.
-- :user_ids, :message_ids: arrays of equal length.
SELECT e.user_id, e.message_id, e.label_id, max(e.history_id) AS history_id
FROM label_events AS e
JOIN unnest(CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[])) AS wanted (user_id, message_id)
    USING (user_id, message_id)
GROUP BY e.user_id, e.message_id, e.label_id

-- The state of the messages that a commit changes, locked until it ends.
-- :user_ids, :message_ids: arrays of equal length.
SELECT m.user_id, m.message_id, m.labels, m.history_id, m.fetched_history_id, m.confirmed, m.deleted_at
FROM messages AS m
JOIN unnest(CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[])) AS wanted (user_id, message_id)
    USING (user_id, message_id)
ORDER BY m.user_id, m.message_id
FOR UPDATE OF m

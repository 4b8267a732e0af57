-- Delete failed items, and record their outcomes in the history.
-- :user_ids, :message_ids: arrays of equal length. Messages stored by this commit are already in the index.
WITH settled AS (
    DELETE FROM failed_items AS f
    USING unnest(CAST(:user_ids AS bigint[]), CAST(:message_ids AS bigint[])) AS done (user_id, message_id)
    WHERE f.user_id = done.user_id AND f.message_id = done.message_id
    RETURNING f.user_id, f.message_id, f.attempts, f.error, f.first_at
)
INSERT INTO failed_history (user_id, message_id, attempts, error, first_at, outcome)
SELECT
    s.user_id, s.message_id, s.attempts, s.error, s.first_at,
    CASE WHEN EXISTS (
        SELECT FROM messages AS m WHERE m.user_id = s.user_id AND m.message_id = s.message_id
    ) THEN 'stored' ELSE 'gone' END
FROM settled AS s

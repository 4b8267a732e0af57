-- Create two events for each changed message, for a benchmark: a label added, and later removed.
-- :user_id
INSERT INTO label_events (user_id, message_id, label_id, is_on, history_id, observed_at)
SELECT
    user_id, message_id, CASE WHEN unread THEN 'UNREAD' ELSE 'STARRED' END, unread = back, 1000 + back::integer,
    CASE WHEN back THEN changed_at ELSE changed_at - (now() - changed_at) END
FROM (
    SELECT user_id, message_id, changed_at, 'UNREAD' = ANY (labels) AS unread
    FROM messages
    WHERE user_id = :user_id AND changed_at IS NOT NULL
) AS changed, (VALUES (FALSE), (TRUE)) AS turns (back)

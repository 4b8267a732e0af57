-- Which of these messages this user's backup had at a time.
-- :user_id, :message_ids, :as_of
SELECT message_id
FROM messages
WHERE user_id = :user_id AND message_id = ANY(:message_ids) AND stored_at <= CAST(:as_of AS timestamptz)

-- The classification labels of messages as of a time: the last that were logged.
-- :user_id, :message_ids, :as_of
SELECT DISTINCT ON (message_id) message_id, substr(label_id, 17) AS labels
FROM label_events
WHERE user_id = :user_id AND message_id = ANY(:message_ids) AND starts_with(label_id, '\Classification:')
    AND observed_at <= coalesce(CAST(:as_of AS timestamptz), now())
ORDER BY message_id, observed_at DESC

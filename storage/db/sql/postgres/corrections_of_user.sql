-- The owner's corrections of messages until a time, newest first.
-- :user_id, :as_of: null: until now; :limit: rows
SELECT message_id, substr(label_id, 12) AS judgement, observed_at
FROM label_events
WHERE user_id = :user_id AND starts_with(label_id, '\Judgement:')
    AND observed_at <= coalesce(CAST(:as_of AS timestamptz), now())
ORDER BY event_id DESC
LIMIT :limit

-- Deliveries of a webhook of a user, newest first.
-- :webhook_id, :user_id, :limit
SELECT d.event_id, d.type, d.state, d.attempts, d.status, d.error, d.created_at, d.attempted_at,
    CASE WHEN d.state = 'pending' THEN d.next_at END AS next_at
FROM webhook_deliveries AS d
JOIN webhooks AS w USING (webhook_id)
WHERE d.webhook_id = :webhook_id AND w.user_id = :user_id
ORDER BY d.created_at DESC, d.event_id DESC
LIMIT :limit

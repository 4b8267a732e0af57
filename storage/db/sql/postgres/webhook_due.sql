-- Deliveries whose time has come, and when the next ones are due.
-- :limit
SELECT d.webhook_id, d.event_id, d.payload, d.attempts, d.created_at, w.url, w.sealed
FROM webhook_deliveries AS d
JOIN webhooks AS w USING (webhook_id)
WHERE d.state = 'pending' AND d.next_at <= now() AND w.disabled_at IS NULL
ORDER BY d.next_at
LIMIT :limit

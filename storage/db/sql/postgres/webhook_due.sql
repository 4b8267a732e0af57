-- Deliveries whose time has come, up to :each of a webhook, so that a slow receiver does not delay the others.
-- :each, :limit
SELECT d.webhook_id, d.event_id, d.payload, d.attempts, d.created_at, w.url, w.sealed
FROM webhooks AS w
JOIN users AS u ON u.user_id = w.user_id AND u.removed_at IS NULL
CROSS JOIN LATERAL (
    SELECT webhook_id, event_id, payload, attempts, created_at, next_at
    FROM webhook_deliveries
    WHERE webhook_id = w.webhook_id AND state = 'pending' AND next_at <= now()
    ORDER BY next_at
    LIMIT :each
) AS d
WHERE w.disabled_at IS NULL
ORDER BY d.next_at
LIMIT :limit

-- Disable a webhook; its pending deliveries fail.
-- :webhook_id, :reason
WITH gone AS (
    UPDATE webhook_deliveries SET state = 'failed', error = :reason WHERE webhook_id = :webhook_id AND state = 'pending'
)
UPDATE webhooks
SET disabled_at = now(), disabled_reason = :reason
WHERE webhook_id = :webhook_id AND disabled_at IS NULL

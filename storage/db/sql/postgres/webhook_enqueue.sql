-- Queue a delivery; it exists once, however often its event is handled.
-- :webhook_id, :event_id, :type, :payload
INSERT INTO webhook_deliveries (webhook_id, event_id, type, payload)
SELECT :webhook_id, :event_id, :type, :payload
WHERE EXISTS (SELECT FROM webhooks WHERE webhook_id = :webhook_id)
ON CONFLICT DO NOTHING

-- Delete deliveries that ended long ago.
-- :days, :limit
DELETE FROM webhook_deliveries
WHERE (webhook_id, event_id) IN (
    SELECT webhook_id, event_id
    FROM webhook_deliveries
    WHERE created_at < now() - make_interval(days => :days) AND state <> 'pending'
    LIMIT :limit
)

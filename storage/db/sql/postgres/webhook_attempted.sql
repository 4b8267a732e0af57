-- Record an attempt.
-- :webhook_id, :event_id, :state, :delay_s (until the next attempt), :status, :error
UPDATE webhook_deliveries
SET attempts = attempts + 1, attempted_at = now(), state = :state, status = :status, error = :error,
    next_at = now() + make_interval(secs => :delay_s)
WHERE webhook_id = :webhook_id AND event_id = :event_id AND state = 'pending'

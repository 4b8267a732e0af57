-- Record that a day's free units are reserved; no row when that was recorded before.
-- :day
UPDATE quota_reservations SET exhausted_at = now() WHERE day = :day AND exhausted_at IS NULL RETURNING day

-- Units of a day that are reserved.
-- :day
SELECT units FROM quota_reservations WHERE day = :day

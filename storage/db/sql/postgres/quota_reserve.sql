-- Reserve units of a day; no row when the day would then have more than may be reserved.
-- :day; :units: more; :most: of the whole day
UPDATE quota_reservations
SET units = units + CAST(:units AS bigint)
WHERE day = :day AND units + CAST(:units AS bigint) <= CAST(:most AS bigint)
RETURNING units

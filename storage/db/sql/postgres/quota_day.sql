-- Units spent when a day began: recorded by the first call on that day.
-- :day; :units: spent in total until now
INSERT INTO quota_days (day, units)
VALUES (:day, :units)
ON CONFLICT (day) DO UPDATE SET units = quota_days.units
RETURNING units, seen_at
